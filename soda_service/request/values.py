"""Parsed values: options, rows and the request itself."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from soda_service.engine.colour.methods import METHODS, grey_method

__all__ = [
    "OPTION_FIELDS",
    "Centre",
    "CutoutOptions",
    "CutoutRequest",
    "Filters",
    "Picture",
    "PositionRow",
    "Table",
    "Triplet",
    "option",
]

Triplet = tuple[str, str, str]
"""Bands for red, green and blue, as the release spells them."""


def option(name: str, *, affects_pixels: bool, default: Any = MISSING) -> Any:
    """Declare the field of an option.

    Parameters
    ----------
    name
        Name of the parameter.
    affects_pixels
        Whether the option can change the pixels of a file. False if it only selects which files
        are made, or their names.
    default
        Value in requests that were stored before there was such an option.
    """
    # Any: the return value of `field` is accepted for a value of any type.
    return field(default=default, metadata={"option": name, "affects_pixels": affects_pixels})


@dataclass(frozen=True, slots=True)
class Picture:
    """The pictures to make by one method."""

    method: str
    """Name of the method."""

    is_made: bool
    triplets: tuple[Triplet, ...]
    settings: Mapping[str, float]
    """Values by parameter name."""


@dataclass(frozen=True, slots=True)
class CutoutOptions:
    """Complete options of one cutout: row over job over release (SPEC, cutout options)."""

    xsize_arcmin: float = option("XSIZE", affects_pixels=True)
    """Width along the tile's x axis; a size in pixels overrides it."""

    ysize_arcmin: float = option("YSIZE", affects_pixels=True)
    xpix: int | None = option("XPIX", affects_pixels=True)
    """Width in pixels; None if the size is in arcmin."""

    ypix: int | None = option("YPIX", affects_pixels=True)
    edge: str = option("EDGE", affects_pixels=True)
    make_fits: bool = option("MAKE_FITS", affects_pixels=False)
    colors_fits: tuple[str, ...] = option("COLORS_FITS", affects_pixels=False)
    """Bands as the release spells them, in the requested order."""

    discard_fits_files: bool = option("DISCARD_FITS_FILES", affects_pixels=False)
    values: tuple[tuple[str, Any], ...] = field(default=(), metadata={"affects_pixels": True})
    """Options without a field by parameter name: those of picture methods, and any added to
    `OPTIONS`; hashable, of the types returned by `parse_value`."""

    response_format: str = field(default="", metadata={"affects_pixels": False})
    """Name of a picture format if only pictures are made; empty for FITS files, with pictures in
    the first picture format."""

    planes: tuple[str, ...] = option("PLANES", affects_pixels=True, default=())
    """Planes of FITS files, the science plane first; empty for all."""

    def get(self, name: str) -> Any:
        """Return the value of an option by parameter name; None if it has none."""
        # Any: a float, an integer, a boolean, a word, bands or triplets, depending on the kind.
        attribute = OPTION_FIELDS.get(name)
        if attribute is not None:
            return getattr(self, attribute)
        return next((value for other, value in self.values if other == name), None)

    def changed(self, changes: Mapping[str, Any]) -> "CutoutOptions":
        """Return a copy with changed options, by parameter name."""
        # Any: as in `get`.
        new: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for name, value in changes.items():
            attribute = OPTION_FIELDS.get(name)
            if attribute is None:
                others[name] = value
            else:
                new[attribute] = value
        if others:
            new["values"] = tuple((dict(self.values) | others).items())
        return replace(self, **new)

    @property
    def pictures(self) -> list[Picture]:
        """The pictures of each method, in the order of the register."""
        values = dict(self.values)
        return [
            Picture(
                method.name,
                bool(values.get(method.switch)),
                values.get(method.triplets, ()),
                {each.name: values.get(each.name, each.default) for each in method.settings},
            )
            for method in METHODS.values()
        ]

    def pixel_key(self, kind: str) -> tuple[object, ...]:
        """Return a key that is equal only for options that give a file of this kind equal pixels.

        Parameters
        ----------
        kind
            Kind of the file: the name of a picture method, or anything else.
        """
        method_name = grey_method().name if kind == "grey" else kind
        fixed = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.metadata["affects_pixels"] and each.name != "values"
        }
        if kind != "fits":
            fixed["planes"] = ()
        # A size in pixels overrides the size in arcmin.
        for pixels, size in (("xpix", "xsize_arcmin"), ("ypix", "ysize_arcmin")):
            fixed[size] = fixed[size] if fixed[pixels] is None else None
        idle = {
            name
            for method in METHODS.values()
            for name in method.option_names
            if method.name != method_name or name in {method.switch, method.triplets}
        }
        return (*fixed.values(), *(pair for pair in self.values if pair[0] not in idle))


OPTION_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        each.metadata["option"]: each.name
        for each in fields(CutoutOptions)
        if "option" in each.metadata
    }
)
"""Parameter -> field of `CutoutOptions`."""


class Centre(NamedTuple):
    """Centre of one cutout: `ra_deg` and `dec_deg`, or `object_id`."""

    ra_deg: float | None
    """ICRS, 0 <= RA < 360."""

    dec_deg: float | None
    object_id: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A positions table, CSV or VOTable, that has not been read yet."""

    content: str
    """The table itself, or the key of the job file that contains it."""

    by_reference: bool = False
    """Whether `content` is a key."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Values of the SODA parameters; each combination of them is a cutout (SODA-15)."""

    ids: tuple[str, ...] = ()
    """Identifiers of data sets, as sent."""

    shapes: tuple[str, ...] = ()
    """Shapes on the sky, in the form of POS."""

    bands_m: tuple[tuple[float, float], ...] = ()
    """Wavelength intervals, m."""

    times_mjd: tuple[tuple[float, float], ...] = ()
    """Time intervals, MJD UTC, d."""

    polarisations: tuple[str, ...] = ()
    """Polarisation states, any of which is accepted (SODA-13)."""

    is_masked: bool = False
    """Whether pixels outside the shape are blanked."""


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One row of the positions table: either `ra_deg` and `dec_deg`, or `object_id`.

    It may also be a combination of SODA filters: a shape and its centre.
    """

    number: int
    """1 for the first row after the header."""

    ra_deg: float | None
    """ICRS, as requested, wrapped into 0..360."""

    dec_deg: float | None
    object_id: int | None
    options: CutoutOptions
    extra: Mapping[str, str] = field(default_factory=dict)
    """The user's own columns, as text, unchanged."""

    tile: str = ""
    """Name of the requested tile; empty for the tile at the position."""

    shape: str = ""
    """Shape to cut, in the form of POS; empty for a box around the position."""

    is_masked: bool = False
    """Whether pixels outside the shape are blanked."""

    nothing: str = ""
    """Why there is nothing to cut, if this follows from the filters alone."""


@dataclass(frozen=True, slots=True)
class CutoutRequest:
    """The checked parameters of a job: a plain value that is stored with the job as JSON.

    The rows of a table are read separately, as a stream: see `rows_of`.
    """

    release: str
    """Name of the release, as the release spells it."""

    options: CutoutOptions
    """Options of rows that do not set their own."""

    where: Centre | Filters | Table
    """What to cut: one position, a selection by SODA parameters, or the positions of a table."""

    is_default_release: bool = False
    """Whether the client did not name a release."""

    job_name: str = ""
    email: str = ""
    webhook: str = ""
    response_format: str = ""
    """Word of RESPONSEFORMAT; empty if the client did not send one."""

    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the request as plain JSON for `from_json`."""
        where = self.where
        fields = where._asdict() if isinstance(where, Centre) else asdict(where)
        name = next(name for name, kind in _WAYS.items() if isinstance(where, kind))
        return asdict(self) | {"where": {name: fields}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "CutoutRequest":
        """Build a request from the output of `to_json`, also after a round trip through JSON text.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the content is anything else.
        """
        fields = {name: _as_tuples(value) for name, value in content.items()}
        ((name, where),) = fields.pop("where").items()
        options = CutoutOptions(**fields.pop("options"))
        return cls(options=options, where=_WAYS[name](**where), **fields)


_WAYS: Mapping[str, type[Centre | Filters | Table]] = MappingProxyType(
    {"centre": Centre, "filters": Filters, "table": Table}
)


def _as_tuples(value: Any) -> Any:
    # Any: the types of JSON; the arrays of a request are tuples.
    if isinstance(value, dict):
        return {name: _as_tuples(item) for name, item in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value
