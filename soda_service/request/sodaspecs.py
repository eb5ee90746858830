"""Rows of SODA's parameters; UCDs and units are those of SODA 1.0, section 3, with erratum 1."""

from soda_service.request.spec import Kind, ParameterSpec, Scope

__all__ = ["FILTERS", "POLARISATIONS"]

POLARISATIONS = (
    *("I", "Q", "U", "V", "RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX", "POLI", "POLA"),
)
"""States of ObsCore 1.1, section B.6.6."""

FILTERS = (
    ParameterSpec(
        "ID",
        Kind.TEXT,
        Scope.FILTER,
        "Data set to cut from, by its identifier; without it the release's tile of the position.",
        ucd="meta.id;meta.dataset",
        maximum=1024,
    ),
    ParameterSpec(
        "POS",
        Kind.SHAPE,
        Scope.FILTER,
        "Part of the sky: CIRCLE ra dec radius, RANGE ra1 ra2 dec1 dec2, or POLYGON ra1 dec1 ra2 "
        "dec2 ra3 dec3 ..., ICRS.",
        ucd="pos.outline;obs",
    ),
    ParameterSpec(
        "CIRCLE",
        Kind.SHAPE,
        Scope.FILTER,
        "Part of the sky: ra dec radius, ICRS.",
        unit="deg",
        ucd="pos.outline;obs",
    ),
    ParameterSpec(
        "POLYGON",
        Kind.SHAPE,
        Scope.FILTER,
        "Part of the sky: ra1 dec1 ra2 dec2 ra3 dec3 ..., ICRS, joined by great circles.",
        unit="deg",
        ucd="pos.outline;obs",
    ),
    ParameterSpec(
        "BAND",
        Kind.INTERVAL,
        Scope.FILTER,
        "Interval of wavelength, which chooses the bands that overlap it.",
        unit="m",
        ucd="em.wl;stat.interval",
    ),
    ParameterSpec(
        "TIME",
        Kind.INTERVAL,
        Scope.FILTER,
        "Interval of time that the observations must overlap, MJD, UTC.",
        unit="d",
        ucd="time.interval;obs.exposure",
    ),
    ParameterSpec(
        "POL",
        Kind.WORD,
        Scope.FILTER,
        "States of polarisation, any of which will do.",
        ucd="meta.code;phys.polarization",
        choices=POLARISATIONS,
    ),
    ParameterSpec(
        "MASK",
        Kind.BOOLEAN,
        Scope.FILTER,
        "Whether to blank the pixels outside the shape; otherwise its bounding box is cut.",
        ucd="meta.code",
    ),
)
"""In the order in which users are shown them."""
