"""Names of cutouts: the sexagecimal name of a position, the files of a row, unique in a job."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.colour.methods import METHODS
from soda_service.formats import FITS, FORMATS, Format, picture_formats
from soda_service.request.values import CutoutOptions

__all__ = [
    "FileNamer",
    "WantedFile",
    "declination_of",
    "position_key",
    "sexagecimal",
    "wanted_files",
]

_TURN_UDEG = 360_000_000
_DEC_BITS = 28


def _microdegrees(ra_deg: float, dec_deg: float) -> tuple[int, int]:
    return round(round(ra_deg, 6) * 1e6) % _TURN_UDEG, round(round(dec_deg, 6) * 1e6)


def position_key(ra_deg: float, dec_deg: float) -> int:
    """Return an integer below 2**63 that two positions share exactly when they share a name."""
    ra, dec = _microdegrees(ra_deg, dec_deg)
    return ra << _DEC_BITS | (dec + 90_000_000)


def declination_of(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the part of `position_key` that grows with declination, of an array of keys."""
    declinations: NDArray[np.int64] = keys & ((1 << _DEC_BITS) - 1)
    return declinations


def sexagecimal(ra_deg: float, dec_deg: float, prefix: str) -> str:
    """Name a position: `DESJ012621.1512+032909.9960`.

    Both coordinates are rounded to 1e-6 deg first, then wrapped; seconds have four decimals,
    rounded with carry, so that `60.0000` cannot occur. All in integers: a microdegree is exactly
    36 units of 1e-4 arcsec, and 2.4 units of 1e-4 s.

    Parameters
    ----------
    ra_deg, dec_deg
        ICRS, deg.
    prefix
        The release's prefix, `DESJ`.
    """
    ra, dec = _microdegrees(ra_deg, dec_deg)
    ra_units = (ra * 24 + 5) // 10 % 864_000_000
    sign = "-" if dec < 0 else "+"
    return f"{prefix}{_split(ra_units)}{sign}{_split(abs(dec) * 36)}"


def _split(units: int) -> str:
    """Write 1e-4 (arc)seconds as hhmmss.ssss."""
    seconds, fraction = divmod(units, 10_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}{minute:02d}{second:02d}.{fraction:04d}"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that a row's options call for."""

    kind: str
    """`fits`, `grey`, or the name of a picture method."""

    bands: tuple[str, ...]
    """One band of a FITS file or a grey picture, three of a picture in colour."""

    ending: str
    """What follows the position's name in the file name: `_g.fits`, `_gry_lupton.png`."""

    format: Format

    @property
    def is_picture(self) -> bool:
        """Whether it shows bands, and does not hold their pixels."""
        return self.format.is_picture


def wanted_files(
    options: CutoutOptions, spell: Callable[[Sequence[str]], str]
) -> tuple[WantedFile, ...]:
    """List the files of a row: FITS asked for, FITS for colour, pictures method by method.

    Where pictures only are asked for: those in colour; without any, each band in grey.

    Parameters
    ----------
    spell
        Writes bands as file names do: in lower case unless that is ambiguous.
    """

    def file(kind: str, bands: tuple[str, ...], row: Format) -> WantedFile:
        mark = f"_{kind}" if kind in METHODS else ""
        return WantedFile(kind, bands, f"_{spell(bands)}{mark}{row.suffix}", row)

    bands = list(options.colors_fits) if options.make_fits else []
    shown = FORMATS.get(options.response_format) or picture_formats()[0]
    values = dict(options.values)
    colour = [
        file(name, triplet, shown)
        for name, method in METHODS.items()
        if values.get(method.switch)
        for triplet in values[method.triplets]
    ]
    if options.response_format:
        return (*(colour or [file("grey", (band,), shown) for band in bands]),)
    if not options.discard_fits_files:
        bands += [band for picture in colour for band in picture.bands]
    return (*(file("fits", (band,), FITS) for band in dict.fromkeys(bands)), *colour)


class FileNamer:
    """Gives rows that share a position's name numbers, so that no file name means two things.

    Rows whose equally named files have equal contents share the number; a row with a different
    cutout gets the next one: `{name}_2_{band}.fits`.
    """

    def __init__(self) -> None:
        self._contents: dict[tuple[int, str], object] = {}
        self._numbers: dict[tuple[str, object], int] = {}
        self._highest = 0

    def number(self, files: Iterable[tuple[str, object]]) -> tuple[int, tuple[str, ...]]:
        """Return the number (1 is the bare name) for a row.

        Parameters
        ----------
        files
            Of each file its ending and anything hashable that is equal exactly when the
            contents are.

        Returns
        -------
        number : int
        repeats : tuple of str
            Endings of the files that a row before has made under this number.
        """
        wanted = list(files)
        # Of each file only the number it got last is tried: rows of one position that differ in
        # every picture would otherwise be compared each with each (15 s for 8000 rows).
        known = {self._numbers[file] for file in wanted if file in self._numbers}
        for candidate in (*sorted(known), 1):
            if all(self._contents.get((candidate, e), c) == c for e, c in wanted):
                return self._take(candidate, wanted)
        return self._take(self._highest + 1, wanted)

    def _take(self, number: int, wanted: list[tuple[str, object]]) -> tuple[int, tuple[str, ...]]:
        self._highest = max(self._highest, number)
        repeats = tuple(ending for ending, _ in wanted if (number, ending) in self._contents)
        for ending, content in wanted:
            self._contents[number, ending] = content
            self._numbers[ending, content] = number
        return number, repeats
