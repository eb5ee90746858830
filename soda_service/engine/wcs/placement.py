"""The WCS of a rotated picture, derived from the WCS of its tile.

The picture is treated as a FITS image whose first row is its bottom row, with FITS's 1-based
pixels. A quarter turn or flip permutes and negates pixel axes. CRPIX and CD follow exactly (FITS
WCS paper I, section 2.1), and so do the polynomials that distort pixels (SIP). Everything after the
linear step (projection, TPV, TNX) is unchanged.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader, card_lines
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import Grid, celestial_wcs
from soda_service.engine.wcs.orientation import Orientation
from soda_service.engine.wcs.tangent import Cards, TangentGrid
from soda_service.engine.wcs.vectors import Vectors, basis_at, turned, unit_xyz
from soda_service.errors import TileUnreadable

__all__ = ["Placement", "TangentWcs", "placement"]

_Floats = NDArray[np.float64]
_Pair = tuple[float, float]
_Square = tuple[float, float, float, float]
"""1_1, 1_2, 2_1, 2_2."""

_KEPT = re.compile(
    r"CTYPE[12]$|(?:PV|PS)[12]_[0-9]+$|PROJP[0-9]$|WAT[0-2]_[0-9]{3}$"
    r"|LONPOLE$|LATPOLE$|RADESYS$|RADECSYS$|EQUINOX$|EPOCH$"
)
"""Cards of the tile that are the same for any rotated part of it."""

_FIT_PLACES = 5
"""Grid points along each edge of a picture; six numbers are fitted to the whole grid."""

_FLAT = 1e-9
"""Relative spread in one direction, against the other, below which pixels are on a line."""

_RADIANS = math.pi / 180

_TAN_TYPES = "".join(
    card_lines(keyword, value)
    for keyword, value in (
        ("CTYPE1", "RA---TAN"),
        ("CTYPE2", "DEC--TAN"),
        ("CUNIT1", "deg"),
        ("CUNIT2", "deg"),
        ("RADESYS", "ICRS"),
    )
)

_Number = TypeVar("_Number", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class TangentWcs:
    """A TAN projection in ICRS, right ascension first, which every reader understands."""

    ra_deg: float
    """Tangent point, deg, 0 <= RA < 360."""

    dec_deg: float

    crpix: _Pair
    """Pixel of the tangent point, 1-based; may be far outside the picture."""

    cd: _Square
    """CD1_1, CD1_2, CD2_1, CD2_2, deg/pixel, for the default LONPOLE."""

    error_px: float = 0.0
    """Largest deviation from the true WCS in the picture; 0 if this is the true WCS."""

    def cards(self) -> Iterator[str]:
        """Return the WCS as FITS cards of 80 characters (FITS WCS papers I and II)."""
        yield _TAN_TYPES
        yield from _numbers("CRVAL{}", (self.ra_deg, self.dec_deg))
        yield from _numbers("CRPIX{}", self.crpix)
        yield from _matrix(self.cd)


@dataclass(frozen=True, slots=True)
class Placement:
    """The WCS of a picture, whose bottom row is the first row."""

    shape: tuple[int, int]
    """(height, width) of the picture, pixels."""

    cards: str
    """The exact WCS as FITS cards of 80 characters, without the cards of the picture's size."""

    tangent: TangentWcs | None
    """The exact WCS, or a TAN fitted to it for readers that know no other; None if there is no
    sky."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """Relation of picture and tile pixels: (x, y) = corner + axes (X, Y)."""

    axes: tuple[int, int, int, int]
    """dx/dX, dx/dY, dy/dX, dy/dY: each 0 or +-1."""

    corner: tuple[int, int]
    """The tile's 0-based pixel (x, y) that is at the picture's bottom left."""

    @classmethod
    def of(cls, box: PixelBox, turn: Orientation) -> "_Turn":
        (x_right, y_right), (x_down, y_down) = turn.steps()
        axes = (x_right, -x_down, y_right, -y_down)
        corner = (
            box.x0 if axes[0] + axes[1] > 0 else box.x1 - 1,
            box.y0 if axes[2] + axes[3] > 0 else box.y1 - 1,
        )
        return cls(axes, corner)

    def crpix(self, x: float, y: float) -> _Pair:
        """Return the picture's 1-based pixel of a 0-based pixel of the tile."""
        a, b, c, d = self.axes
        dx, dy = x - self.corner[0], y - self.corner[1]
        return 1 + a * dx + c * dy, 1 + b * dx + d * dy  # the inverse is the transpose

    def tile_pixels(self, column: _Floats, row: _Floats) -> tuple[_Floats, _Floats]:
        """Return the tile's 0-based pixels of 1-based pixels of the picture."""
        a, b, c, d = self.axes
        right, up = column - 1, row - 1
        return self.corner[0] + a * right + b * up, self.corner[1] + c * right + d * up

    def matrix(self, m: _Square) -> _Square:
        """Convert d(anything)/d(x, y) of the tile to d(the same)/d(X, Y) of the picture."""
        a, b, c, d = self.axes
        # Adding 0 turns -0.0 into 0.0.
        return (
            m[0] * a + m[1] * c + 0.0,
            m[0] * b + m[1] * d + 0.0,
            m[2] * a + m[3] * c + 0.0,
            m[2] * b + m[3] * d + 0.0,
        )


def placement(grid: Grid, header: Cards, box: PixelBox, turn: Orientation) -> Placement:
    """Return the WCS of a picture.

    Parameters
    ----------
    grid
        Grid of the tile, from `grid.sky_grid`.
    header
        Header of the tile, from which the grid was made.
    box
        The part of the tile that is shown; it may reach beyond the tile.
    turn
        Orientation in which it is shown.

    Returns
    -------
    Placement
        Agrees with the tile's grid to 1e-6 pixels.

    Raises
    ------
    TileUnreadable
        If a number in the header is too large for the computation.
    """
    pose, shape = _Turn.of(box, turn), turn.turned_shape(box.shape)
    if isinstance(grid, TangentGrid):
        tangent = _exact(grid, pose)
        return Placement(shape, "".join(tangent.cards()), tangent)
    text = header if isinstance(header, TextHeader) else TextHeader.from_astropy(header)
    carried = _carried(text.lines)
    return Placement(shape, "".join(carried.cards(pose)), _fitted(grid, carried, pose, shape))


def _exact(grid: TangentGrid, pose: _Turn) -> TangentWcs:
    """Derive a plain tangent plane in ICRS from its vectors, without their rounding errors."""
    along_x, along_y, (x, y, z) = grid.to_sky
    # Further digits are below 1e-8 pixels: rounding errors of the vectors, not part of the header.
    ra_deg = round(math.atan2(y, x) / _RADIANS % 360, 12) % 360
    dec_deg = round(math.atan2(z, math.hypot(x, y)) / _RADIANS, 12)
    basis = basis_at(ra_deg, dec_deg)
    steps = (turned(basis, along_x), turned(basis, along_y))
    cd = tuple(step[axis] / _RADIANS for axis in (0, 1) for step in steps)
    sign = _pole_sign(dec_deg)
    decimals = 13 - math.floor(math.log10(max(map(abs, cd))))
    a, b, c, d = (sign * round(element, decimals) for element in cd)
    return TangentWcs(ra_deg, dec_deg, pose.crpix(grid.x0, grid.y0), pose.matrix((a, b, c, d)))


@dataclass(frozen=True, slots=True)
class _Carried:
    """The parts of a tile's WCS that rotation needs, from astropy's WCS object."""

    crpix: _Pair
    """Reference pixel, 0-based."""

    crval: _Pair
    """Reference value in the order of the axes, deg."""

    cd: _Square
    """CD matrix, deg/pixel, in the order of crval."""

    kept: str
    """Unchanged cards."""

    forward: tuple["_Polynomial", "_Polynomial"] | None
    """SIP polynomials A and B."""

    inverse: tuple["_Polynomial", "_Polynomial"] | None
    """SIP polynomials AP and BP."""

    def cards(self, pose: _Turn) -> Iterator[str]:
        """Return the cards of the picture's WCS."""
        yield self.kept
        for axis in (1, 2):
            yield card_lines(f"CUNIT{axis}", "deg")
        yield from _numbers("CRVAL{}", self.crval)
        yield from _numbers("CRPIX{}", pose.crpix(*self.crpix))
        yield from _matrix(pose.matrix(self.cd))
        for names, pair in ((("A", "B"), self.forward), (("AP", "BP"), self.inverse)):
            if pair:
                for name, polynomial in zip(names, _turned_pair(pair, pose), strict=True):
                    yield from polynomial.cards(name)


@dataclass(frozen=True, slots=True)
class _Polynomial:
    """A sum of factor * u**p * v**q: one of SIP's four polynomials."""

    order: int
    factors: tuple[tuple[int, int, float], ...]
    """(p, q, factor)."""

    def turned(self, axes: tuple[int, int, int, int], sign: int) -> "_Polynomial":
        """Substitute (u, v) = axes (U, V), and multiply by a sign."""
        a, b, c, d = axes
        along_x, along_y = a + b, c + d
        factors = (
            (*((p, q) if a else (q, p)), sign * along_x**p * along_y**q * factor)
            for p, q, factor in self.factors
        )
        return _Polynomial(self.order, tuple(sorted(factors)))

    def cards(self, name: str) -> Iterator[str]:
        yield card_lines(f"{name}_ORDER", self.order)
        for p, q, factor in self.factors:
            yield card_lines(f"{name}_{p}_{q}", factor)


def _turned_pair(
    pair: tuple[_Polynomial, _Polynomial], pose: _Turn
) -> tuple[_Polynomial, _Polynomial]:
    """Rotate the polynomials of both axes: their results rotate back with the axes."""
    a, b, c, d = pose.axes
    along_u, along_v = pair[0].turned(pose.axes, a + b), pair[1].turned(pose.axes, c + d)
    return (along_u, along_v) if a else (along_v, along_u)


@lru_cache(maxsize=64)
def _carried(lines: tuple[str, ...]) -> _Carried:
    """Parse a tile's WCS once for all its pictures, since astropy is slow at it."""
    header = TextHeader(lines)
    wcs = celestial_wcs(header)
    kept = {name: "".join(text) for name, text in header.cards() if _KEPT.match(name)}
    (a, b), (c, d) = wcs.pixel_scale_matrix.tolist()
    sip = wcs.sip
    polynomials = [sip.a, sip.b, sip.ap, sip.bp] if sip else []
    numbers = [wcs.wcs.crpix, wcs.wcs.crval, (a, b, c, d), *polynomials]
    if not all(np.isfinite(each).all() for each in numbers if each is not None):
        raise TileUnreadable("invalid WCS: a number in it is infinite")
    return _Carried(
        crpix=(float(wcs.wcs.crpix[0]) - 1, float(wcs.wcs.crpix[1]) - 1),
        crval=(float(wcs.wcs.crval[0]), float(wcs.wcs.crval[1])),
        cd=(a, b, c, d),
        kept="".join(kept.values()),
        forward=_polynomials(sip.a, sip.b) if sip else None,
        inverse=_polynomials(sip.ap, sip.bp) if sip else None,
    )


def _polynomials(
    first: _Floats | None, second: _Floats | None
) -> tuple[_Polynomial, _Polynomial] | None:
    if first is None or second is None:
        return None
    return _polynomial(first), _polynomial(second)


def _polynomial(factors: _Floats) -> _Polynomial:
    places = zip(*np.nonzero(factors), strict=True)
    return _Polynomial(
        len(factors) - 1, tuple((int(p), int(q), float(factors[p, q])) for p, q in places)
    )


def _fitted(
    grid: Grid, carried: _Carried, pose: _Turn, shape: tuple[int, int]
) -> TangentWcs | None:
    """Fit a tangent plane to a picture, with the tile's tangent point or that of the picture.

    The first is exact for a tangent plane in another reference system, and best if that is
    distorted. The second is for other projections.
    """
    height, width = shape
    columns, rows = (np.linspace(0.5, size + 0.5, _FIT_PLACES) for size in (width, height))
    column, row = (places.ravel() for places in np.meshgrid(columns, rows))
    x, y = pose.tile_pixels(column, row)
    middle = len(column) // 2
    ra, dec = grid.pixel_to_sky([*x, carried.crpix[0]], [*y, carried.crpix[1]])
    vectors = unit_xyz(ra[:-1], dec[:-1])
    candidates = (
        _fitted_at((float(ra[at]), float(dec[at])), vectors, column, row)
        for at in (-1, middle)
        if math.isfinite(ra[at] + dec[at])
    )
    return min(filter(None, candidates), key=lambda fit: fit.error_px, default=None)


def _fitted_at(
    centre_deg: _Pair, vectors: Vectors, column: _Floats, row: _Floats
) -> TangentWcs | None:
    """Fit the plane with a given tangent point, by least squares over the pixels."""
    ra_deg, dec_deg = round(centre_deg[0], 12) % 360, round(centre_deg[1], 12)
    east, north, depth = turned(basis_at(ra_deg, dec_deg), vectors)
    seen = depth > 0  # False for NaN
    if np.count_nonzero(seen) < 3:
        return None
    scale = _pole_sign(dec_deg) / _RADIANS
    across, up = (axis[seen] / depth[seen] * scale for axis in (east, north))
    dx, dy = column[seen] - column[seen].mean(), row[seen] - row[seen].mean()
    (a, b), (c, d) = _slopes(dx, dy, across), _slopes(dx, dy, up)
    determinant = a * d - b * c
    if not math.isfinite(determinant) or determinant == 0:
        return None
    # In pixels from the mean of those seen: pixel of the tangent point, and residuals of the fit.
    centre = _solved((a, b, c, d), -across.mean(), -up.mean())
    rest = _solved(
        (a, b, c, d), across - across.mean() - a * dx - b * dy, up - up.mean() - c * dx - d * dy
    )
    crpix = (float(column[seen].mean() + centre[0]), float(row[seen].mean() + centre[1]))
    return TangentWcs(ra_deg, dec_deg, crpix, (a, b, c, d), float(np.hypot(*rest).max()))


def _slopes(dx: _Floats, dy: _Floats, values: _Floats) -> _Pair:
    """Return d(values)/d(x, y) by least squares, for x and y of mean 0; NaN if on a line."""
    xx, xy, yy = (float((one * other).sum()) for one, other in ((dx, dx), (dx, dy), (dy, dy)))
    along_x, along_y = float((dx * values).sum()), float((dy * values).sum())
    spread = xx * yy - xy * xy
    if spread <= _FLAT * xx * yy:
        return math.nan, math.nan
    return (yy * along_x - xy * along_y) / spread, (xx * along_y - xy * along_x) / spread


def _solved(m: _Square, one: _Number, other: _Number) -> tuple[_Number, _Number]:
    """Solve a pair of linear equations."""
    a, b, c, d = m
    determinant = a * d - b * c
    return (d * one - b * other) / determinant, (a * other - c * one) / determinant


def _pole_sign(dec_deg: float) -> float:
    """Return -1 at the pole itself, where LONPOLE defaults to 0; 1 elsewhere, where it is 180.

    FITS WCS paper II, section 2.2, for zenithal projections.
    """
    return -1.0 if dec_deg == 90 else 1.0


def _numbers(form: str, values: _Pair) -> Iterator[str]:
    for axis, value in enumerate(values, 1):
        yield card_lines(form.format(axis), value)


def _matrix(m: _Square) -> Iterator[str]:
    for name, element in zip(("CD1_1", "CD1_2", "CD2_1", "CD2_2"), m, strict=True):
        yield card_lines(name, element)
