"""The synthetic sky: stars and galaxies with their fluxes and colours, without pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

__all__ = ["BANDS", "Kind", "Source", "field_sources", "flux_in", "showpiece"]

BANDS = ("g", "r", "i", "z", "Y")

Kind = Literal["star", "knot", "disc", "bulge"]
"""What the shape follows from, and the range of colours: points are stars and knots."""

_STAR_COLOURS = (
    (1.30, 1.00, 0.80, 0.70, 0.66),  # A: blue-white
    (0.79, 1.00, 1.07, 1.09, 1.10),  # F
    (0.63, 1.00, 1.17, 1.24, 1.27),  # G, like the Sun
    (0.42, 1.00, 1.37, 1.60, 1.69),  # K
    (0.28, 1.00, 1.85, 2.50, 2.75),  # M0
    (0.25, 1.00, 2.80, 4.60, 5.40),  # M3
    (0.22, 1.00, 4.60, 10.0, 13.5),  # M6: red
)
"""Flux over that in r, by band, along the stellar locus."""

_GALAXY_COLOURS = (
    (1.25, 1.00, 0.82, 0.78, 0.76),  # a region that forms stars now
    (0.82, 1.00, 1.08, 1.12, 1.14),  # a blue disc
    (0.58, 1.00, 1.32, 1.52, 1.62),  # a spiral as a whole
    (0.40, 1.00, 1.52, 1.90, 2.10),  # an elliptical nearby
    (0.24, 1.00, 1.90, 2.70, 3.10),  # an elliptical at redshift 0.4
)

_FAINTEST_MAG = 24.4
_ZERO_POINT_MAG = 30.0


@dataclass(frozen=True, slots=True)
class Source:
    """A star, a knot of young stars, or a component (disc or bulge) of a galaxy."""

    kind: Kind
    x: float
    """0-based pixel."""

    y: float
    flux: float
    """Counts in r at zero point 30."""

    redness: float
    """0, the bluest of its kind, to 1, the reddest; other values are clipped."""

    radius_px: float = 0.0
    """Half-light radius before the seeing; 0 for a star."""

    axis_ratio: float = 1.0
    angle_rad: float = 0.0
    """Of the major axis, from +x towards +y."""

    arms: float = 0.0
    """Contrast of spiral arms in a disc, 0 (none) to 1 (no light between the arms)."""

    winding: float = 4.0
    """Angle that the arms turn while the radius grows by e, rad; negative: the other way."""

    dust: float = 0.0
    """Optical depth in g of a lane of dust along the major axis."""


def flux_in(source: Source, band: str) -> float:
    """Return a source's flux in a band; colours are interpolated in magnitude."""
    table = np.log(_STAR_COLOURS if source.kind == "star" else _GALAXY_COLOURS)
    place = source.redness * (len(table) - 1)
    column = table[:, BANDS.index(band)]
    return source.flux * float(np.exp(np.interp(place, np.arange(len(table)), column)))


def _flux(mag: float) -> float:
    return float(10 ** (0.4 * (_ZERO_POINT_MAG - mag)))


def _magnitude(random: np.random.Generator, brightest: float, slope: float) -> float:
    """Draw an r magnitude from counts that grow as 10 ** (slope * magnitude)."""
    low, high = 10 ** (slope * brightest), 10 ** (slope * _FAINTEST_MAG)
    return float(np.log10(random.uniform(low, high)) / slope)


def _star(random: np.random.Generator, x: float, y: float) -> Source:
    """Make a star: the faint ones are red dwarfs, or of the blue old halo."""
    mag = _magnitude(random, 14.5, 0.14)
    is_dwarf = random.uniform() < np.interp(mag, (15, 20), (0.25, 0.65))
    redness = random.normal(0.72, 0.13) if is_dwarf else random.normal(0.28, 0.09)
    return Source("star", x, y, _flux(mag), redness)


def _galaxy(random: np.random.Generator, x: float, y: float) -> list[Source]:
    """Make a galaxy of the field; one in four is an elliptical."""
    mag = _magnitude(random, 16.3, 0.36)
    radius_px = 2.6 * 10 ** (0.13 * (22.5 - mag)) * random.lognormal(0, 0.25)
    angle_rad, distance = random.uniform(0, np.pi), np.clip((mag - 17) / 5, 0, 1)
    if random.uniform() < 0.25:
        redness, axis_ratio = random.normal(0.70 + 0.25 * distance, 0.06), random.uniform(0.5, 1)
        return [Source("bulge", x, y, _flux(mag), redness, radius_px, axis_ratio, angle_rad)]
    axis_ratio = float(np.hypot(0.18, 0.98 * random.uniform()))
    winding = float(random.uniform(3, 6) * random.choice([-1, 1]))
    bulge, redness = random.beta(1.2, 4.0), random.normal(0.36, 0.12)
    light = _flux(mag) * (1 - bulge)
    disc = Source("disc", x, y, light, redness, radius_px, axis_ratio, angle_rad)
    if radius_px > 4:
        disc = replace(disc, arms=random.uniform(0.4, 0.85), winding=winding)
    return [disc, _core(disc, _flux(mag) * bulge, redness + 0.35, 0.6)]


def _core(disc: Source, flux: float, redness: float, roundness: float) -> Source:
    """Make the bulge of a disc, as inclined as it is, but never flatter than `roundness`."""
    shape = 0.3 * disc.radius_px, max(disc.axis_ratio, roundness), disc.angle_rad
    return Source("bulge", disc.x, disc.y, flux, redness, *shape)


def _knots(random: np.random.Generator, disc: Source, count: int, flux_part: float) -> list[Source]:
    """Place young star clusters along a disc's two arms."""
    radius = np.exp(random.uniform(np.log(0.35), np.log(1.9), count))
    along = disc.winding * np.log(radius) + random.choice([0, np.pi], count)
    theta = along + random.normal(0, 0.16, count)
    u = disc.radius_px * radius * np.cos(theta)
    v = disc.radius_px * radius * np.sin(theta) * disc.axis_ratio
    cos, sin = np.cos(disc.angle_rad), np.sin(disc.angle_rad)
    share = random.pareto(1.6, count) + 0.3
    fluxes = disc.flux * flux_part * share / share.sum()
    x, y = disc.x + u * cos - v * sin, disc.y + u * sin + v * cos
    return [
        Source("knot", *numbers, 0.02, 0.8)
        for numbers in zip(x.tolist(), y.tolist(), fluxes.tolist(), strict=True)
    ]


def _spiral(
    random: np.random.Generator, disc: Source, *, bulge: float, knots: int
) -> tuple[Source, ...]:
    """Complete a disc to a large spiral galaxy."""
    core = _core(disc, disc.flux * bulge, 0.74, 0.7)
    return (disc, core, *_knots(random, disc, knots, 0.16))


def _cluster(random: np.random.Generator, x: float, y: float, count: int) -> tuple[Source, ...]:
    """Make a cluster of galaxies: a giant, its red sequence, and a blue arc seen through it."""
    giant = Source("bulge", x, y, _flux(16.6), 0.84, 17.0, 0.72, 0.5)
    halo = replace(giant, kind="disc", flux=giant.flux * 0.5, radius_px=48.0)
    members = []
    for dx, dy in random.standard_t(2.2, (count, 2)) * 85:
        mag = 18.2 + 4.5 * random.power(1.9)
        radius_px = 3.0 * 10 ** (0.16 * (20.5 - mag))
        shape = random.uniform(0.45, 1), random.uniform(0, np.pi)
        red = random.normal(0.86, 0.015)
        members.append(Source("bulge", x + dx, y + dy, _flux(mag), red, radius_px, *shape))
    angles = random.uniform(1.6, 2.7, 120)
    reach = 62 + random.normal(0, 0.5, 120)
    arc = [
        Source("knot", x + r * np.cos(a), y + r * np.sin(a), _flux(25.2), 0.08, 0.6)
        for a, r in zip(angles.tolist(), reach.tolist(), strict=True)
    ]
    return (giant, halo, *members, *arc)


def showpiece(kind: str, x: float, y: float) -> tuple[Source, ...]:
    """Make an object of the showcase, the same in every run.

    Parameters
    ----------
    kind
        `spiral` (grand, nearly face on), `inclined`, `edge` (a disc seen from its edge, with
        dust), `blue` (a loose young spiral), `cluster`.

    Raises
    ------
    ValueError
        When the kind is another.
    """
    random = np.random.default_rng(sum(map(ord, kind)))
    match kind:
        case "spiral":
            disc = Source("disc", x, y, _flux(15.2), 0.30, 36, 0.86, 0.9, 0.85, 3.4)
            return _spiral(random, disc, bulge=0.22, knots=130)
        case "inclined":
            disc = Source("disc", x, y, _flux(15.6), 0.38, 34, 0.40, 0.16, 0.80, 4.2)
            return _spiral(random, disc, bulge=0.34, knots=70)
        case "edge":
            disc = Source("disc", x, y, _flux(15.9), 0.44, 36, 0.19, -0.28, dust=5.0)
            halo = Source("bulge", x, y, _flux(16.6), 0.76, 9, 0.78, -0.28)
            return (disc, replace(halo, dust=3.5))
        case "blue":
            disc = Source("disc", x, y, _flux(15.9), 0.20, 30, 0.70, 2.2, 0.9, -2.6)
            return _spiral(random, disc, bulge=0.10, knots=150)
        case "cluster":
            return _cluster(random, x, y, 80)
        case _:
            raise ValueError(f"kind is {kind!r}; allowed: spiral, inclined, edge, blue, cluster")


def field_sources(
    seed: int, shape: tuple[int, int], keep_clear: Sequence[tuple[float, float]] = ()
) -> tuple[Source, ...]:
    """Scatter stars and galaxies over a tile, about as many as at high galactic latitude.

    Parameters
    ----------
    shape
        (ny, nx), pixels of 0.263 arcsec.
    keep_clear
        (x, y), 0-based pixels: no star or galaxy brighter than 19.5 mag comes near these places.
    """
    random = np.random.default_rng(seed)
    ny, nx = shape
    million = nx * ny / 1e6
    stars = [_star(random, x, y) for x, y in random.uniform(0, (nx, ny), (int(60 * million), 2))]
    galaxies = [
        part
        for x, y in random.uniform(0, (nx, ny), (int(300 * million), 2))
        for part in _galaxy(random, x, y)
    ]
    far_px, bright = 230, _flux(19.5)
    clear = np.reshape(keep_clear, (-1, 2))
    return tuple(
        source
        for source in (*stars, *galaxies)
        if source.flux < bright
        or not np.any(np.hypot(clear[:, 0] - source.x, clear[:, 1] - source.y) < far_px)
    )
