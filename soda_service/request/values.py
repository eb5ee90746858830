"""What a request means once its text has been read: options, rows, the request itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from soda_service.engine.colour.methods import METHODS

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
"""Bands shown as red, green, blue, in the release's spelling."""


def option(name: str, *, affects_pixels: bool) -> Any:
    """Declare the field of an option.

    Parameters
    ----------
    name
        Its parameter.
    affects_pixels
        Whether files of equal names may differ by it. False if it only chooses which files are
        made, or what they are called.
    """
    # Any: what `field` returns goes for a value of any type.
    return field(metadata={"option": name, "affects_pixels": affects_pixels})


@dataclass(frozen=True, slots=True)
class Picture:
    """What is asked of a picture method."""

    method: str
    """Its name."""

    is_made: bool
    triplets: tuple[Triplet, ...]
    settings: Mapping[str, float]
    """By parameter."""


@dataclass(frozen=True, slots=True)
class CutoutOptions:
    """Options of one cutout, complete: row over job over release (SPEC, cutout options)."""

    xsize_arcmin: float = option("XSIZE", affects_pixels=True)
    """Width along the tile's x; the size in pixels rules where it is given."""

    ysize_arcmin: float = option("YSIZE", affects_pixels=True)
    xpix: int | None = option("XPIX", affects_pixels=True)
    """Width in pixels, or None where the size is in arcmin."""

    ypix: int | None = option("YPIX", affects_pixels=True)
    edge: str = option("EDGE", affects_pixels=True)
    make_fits: bool = option("MAKE_FITS", affects_pixels=False)
    colors_fits: tuple[str, ...] = option("COLORS_FITS", affects_pixels=False)
    """Bands, in the release's spelling, in the order asked for."""

    discard_fits_files: bool = option("DISCARD_FITS_FILES", affects_pixels=False)
    values: tuple[tuple[str, Any], ...] = field(default=(), metadata={"affects_pixels": True})
    """Options without a field, by parameter: those of picture methods, and any that were added to
    `OPTIONS`; hashable, of the types that `parse_value` gives."""

    response_format: str = field(default="", metadata={"affects_pixels": False})
    """Name of a format of pictures: these only, in that format; empty: FITS files, and pictures
    in the first format of pictures."""

    def get(self, name: str) -> Any:
        """Return the value of an option by its parameter; None where it has none."""
        # Any: a float, an integer, a boolean, a word, bands or triplets, by the parameter's kind.
        attribute = OPTION_FIELDS.get(name)
        if attribute is not None:
            return getattr(self, attribute)
        return next((value for other, value in self.values if other == name), None)

    def changed(self, changes: Mapping[str, Any]) -> "CutoutOptions":
        """Return the same with other values of some options, by parameter."""
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
        """What is asked of each picture method, in the order of the register."""
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
        """Return what is equal only for options that give a file of this kind the same pixels.

        Parameters
        ----------
        kind
            Of the file: the name of a picture method, or anything else.
        """
        fixed = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.metadata["affects_pixels"] and each.name != "values"
        }
        # A size in pixels puts that in arcmin out of effect.
        for pixels, size in (("xpix", "xsize_arcmin"), ("ypix", "ysize_arcmin")):
            fixed[size] = fixed[size] if fixed[pixels] is None else None
        idle = {
            name
            for method in METHODS.values()
            for name in method.option_names
            if method.name != kind or name in {method.switch, method.triplets}
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
    """Where one cutout is asked for: `ra_deg` and `dec_deg`, or `object_id`."""

    ra_deg: float | None
    """ICRS, 0 <= RA < 360."""

    dec_deg: float | None
    object_id: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A positions table, CSV or VOTable, that is still to be read."""

    content: str
    """The table itself, or the key of the job's file that holds it."""

    by_reference: bool = False
    """Whether `content` is a key."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What SODA's parameters ask for; each combination of their values is a cutout (SODA-15)."""

    ids: tuple[str, ...] = ()
    """Identifiers of data sets, as sent."""

    shapes: tuple[str, ...] = ()
    """On the sky, as POS writes them."""

    bands_m: tuple[tuple[float, float], ...] = ()
    """Intervals of wavelength, m."""

    times_mjd: tuple[tuple[float, float], ...] = ()
    """Intervals of time, MJD UTC, d."""

    polarisations: tuple[str, ...] = ()
    """States, any of which will do (SODA-13)."""

    is_masked: bool = False
    """Whether pixels outside the shape are blanked."""


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One row of the positions table: either `ra_deg` and `dec_deg`, or `object_id`.

    Or a combination of SODA's filters: a shape, and its centre.
    """

    number: int
    """1 for the first row after the header."""

    ra_deg: float | None
    """ICRS, as asked; wrapped into 0..360."""

    dec_deg: float | None
    object_id: int | None
    options: CutoutOptions
    extra: Mapping[str, str] = field(default_factory=dict)
    """The user's own columns, as text, unchanged."""

    tile: str = ""
    """The tile that is asked for by its name; empty: that of the position."""

    shape: str = ""
    """What is cut, as POS writes it; empty: a box about the position."""

    is_masked: bool = False
    """Whether pixels outside the shape are blanked."""

    nothing: str = ""
    """Why there is nothing to cut, where the filters alone tell."""


@dataclass(frozen=True, slots=True)
class CutoutRequest:
    """A job's parameters, checked; a plain value that travels with the job as JSON.

    The rows of a table are read as a stream, apart: see `rows_of`.
    """

    release: str
    """Name of the release, in its own spelling."""

    options: CutoutOptions
    """Options in effect where a row says nothing."""

    where: Centre | Filters | Table
    """What is cut: at one position, what SODA's parameters choose, or at those of a table."""

    is_default_release: bool = False
    """Whether the client left the release open."""

    job_name: str = ""
    email: str = ""
    webhook: str = ""
    response_format: str = ""
    """A word of RESPONSEFORMAT; empty where the client left it open."""

    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the request as plain JSON, which `from_json` reads."""
        where = self.where
        fields = where._asdict() if isinstance(where, Centre) else asdict(where)
        name = next(name for name, kind in _WAYS.items() if isinstance(where, kind))
        return asdict(self) | {"where": {name: fields}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "CutoutRequest":
        """Read what `to_json` returned, also after a way through a JSON text.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is something else.
        """
        fields = {name: _as_tuples(value) for name, value in content.items()}
        ((name, where),) = fields.pop("where").items()
        options = CutoutOptions(**fields.pop("options"))
        return cls(options=options, where=_WAYS[name](**where), **fields)


_WAYS: Mapping[str, type[Centre | Filters | Table]] = MappingProxyType(
    {"centre": Centre, "filters": Filters, "table": Table}
)


def _as_tuples(value: Any) -> Any:
    # Any: of JSON's types; the arrays of a request are tuples.
    if isinstance(value, dict):
        return {name: _as_tuples(item) for name, item in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value
