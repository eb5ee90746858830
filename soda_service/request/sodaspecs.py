"""Specifications of the SODA parameters; UCDs and units from SODA 1.0, section 3, erratum 1."""

from soda_service.request.spec import Described, Kind, ParameterSpec, Scope

__all__ = ["FILTERS", "POLARISATIONS"]

POLARISATIONS = (
    *("I", "Q", "U", "V", "RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX", "POLI", "POLA"),
)
"""Polarisation states (ObsCore 1.1, section B.6.6)."""

FILTERS = (
    ParameterSpec(
        "ID",
        Kind.TEXT,
        Scope.FILTER,
        "Identifier of the data set to cut from. Default: the tile of the release at the position.",
        ucd="meta.id;meta.dataset",
        maximum=1024,
        descriptor=Described.SYNC,
    ),
    ParameterSpec(
        "POS",
        Kind.SHAPE,
        Scope.FILTER,
        "Region of the sky: CIRCLE ra dec radius, RANGE ra1 ra2 dec1 dec2, or POLYGON ra1 dec1 ra2 "
        "dec2 ra3 dec3 ..., ICRS.",
        ucd="pos.outline;obs",
        descriptor=Described.SYNC,
    ),
    ParameterSpec(
        "CIRCLE",
        Kind.SHAPE,
        Scope.FILTER,
        "Circle on the sky: ra dec radius, ICRS.",
        unit="deg",
        ucd="pos.outline;obs",
        descriptor=Described.SYNC,
    ),
    ParameterSpec(
        "POLYGON",
        Kind.SHAPE,
        Scope.FILTER,
        "Polygon on the sky: ra1 dec1 ra2 dec2 ra3 dec3 ..., ICRS, with great circles as sides.",
        unit="deg",
        ucd="pos.outline;obs",
        descriptor=Described.SYNC,
    ),
    ParameterSpec(
        "BAND",
        Kind.INTERVAL,
        Scope.FILTER,
        "Wavelength interval; selects the bands that overlap it.",
        unit="m",
        ucd="em.wl;stat.interval",
        descriptor=Described.SYNC,
    ),
    ParameterSpec(
        "TIME",
        Kind.INTERVAL,
        Scope.FILTER,
        "Time interval that the observations must overlap, MJD, UTC.",
        unit="d",
        ucd="time.interval;obs.exposure",
        descriptor=Described.SYNC,
    ),
    ParameterSpec(
        "POL",
        Kind.WORD,
        Scope.FILTER,
        "Polarisation states; data with any of them are selected.",
        ucd="meta.code;phys.polarization",
        choices=POLARISATIONS,
        descriptor=Described.SYNC,
    ),
    ParameterSpec(
        "MASK",
        Kind.BOOLEAN,
        Scope.FILTER,
        "Whether to blank the pixels outside the shape; otherwise the whole bounding box is kept.",
        ucd="meta.code",
        descriptor=Described.SYNC,
    ),
)
"""In the order shown to users."""
