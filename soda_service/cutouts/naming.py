"""Names of cutouts: sexagesimal names of positions, and file names that are unique in a job."""

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
    "sexagesimal",
    "wanted_files",
]

_TURN_UDEG = 360_000_000
_DEC_BITS = 28


def _microdegrees(ra_deg: float, dec_deg: float) -> tuple[int, int]:
    return round(round(ra_deg, 6) * 1e6) % _TURN_UDEG, round(round(dec_deg, 6) * 1e6)


def position_key(ra_deg: float, dec_deg: float) -> int:
    """Return an integer below 2**63 that is equal for positions with equal names."""
    ra, dec = _microdegrees(ra_deg, dec_deg)
    return ra << _DEC_BITS | (dec + 90_000_000)


def declination_of(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the part of each `position_key` that grows with declination."""
    declinations: NDArray[np.int64] = keys & ((1 << _DEC_BITS) - 1)
    return declinations


def sexagesimal(ra_deg: float, dec_deg: float, prefix: str) -> str:
    """Return the name of a position: `DESJ012621.1512+032909.9960`.

    Both coordinates are rounded to 1e-6 deg first, then wrapped. Seconds have four decimals,
    rounded with carry, so that `60.0000` cannot occur. The arithmetic is in integers: a
    microdegree is exactly 36 units of 1e-4 arcsec, and 2.4 units of 1e-4 s.

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
    """A file that a row's options request."""

    kind: str
    """`fits`, `grey`, or the name of a picture method."""

    bands: tuple[str, ...]
    """One band of a FITS file or a grey picture, three of a picture in colour."""

    ending: str
    """Part of the file name after the position's name: `_g.fits`, `_gry_lupton.png`."""

    format: Format

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture, and not a file of pixels."""
        return self.format.is_picture


def wanted_files(
    options: CutoutOptions, spell: Callable[[Sequence[str]], str]
) -> tuple[WantedFile, ...]:
    """Return the files of a row: requested FITS files, those of pictures' bands, then pictures.

    If only pictures are requested: those in colour, or without any each band in grey.

    Parameters
    ----------
    spell
        Writes bands for file names: in lower case unless that is ambiguous.
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
    """Numbers the rows that share a position's name, so that file names are unique.

    Rows whose equally named files have equal contents share a number. A row with a different
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
            Of each file its ending, and a hashable key that is equal exactly if the contents are.

        Returns
        -------
        number : int
        repeats : tuple of str
            Endings of the files that an earlier row makes under this number.
        """
        wanted = list(files)
        # Only the last number of each file is tried. Otherwise rows of one position that differ in
        # every picture would all be compared with each other (15 s for 8000 rows).
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
