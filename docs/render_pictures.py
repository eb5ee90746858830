"""Render the pictures of docs/pictures.md: `python docs/render_pictures.py`.

One synthetic field, rendered by the service's own code with many settings.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from soda_service.demo.planes import BrightStar, make_planes
from soda_service.demo.sources import Source, field_sources, showpiece
from soda_service.engine.colour.lupton import lupton
from soda_service.engine.colour.stiff import StiffSettings, stiff
from soda_service.formats.png import to_png

FOLDER = Path(__file__).parent / "pictures"

_BANDS = "irg"
"""Bands for red, green and blue."""

_SIZE_PX = 144
_SHAPE = (_SIZE_PX, 240)
_STAR = BrightStar(190, 52, flux=3e6, bleed_px=12)
"""Position outside the field, and inside it after the field is moved."""

_MOVED_PX = 60
_SEED = 26

_LUPTON: Mapping[str, Mapping[str, float]] = {
    "lupton": {},
    "lupton-minimum-minus-10": {"minimum": -10.0},
    "lupton-minimum-10": {"minimum": 10.0},
    "lupton-stretch-10": {"stretch": 10.0},
    "lupton-stretch-250": {"stretch": 250.0},
    "lupton-q-1": {"q": 1.0},
    "lupton-q-50": {"q": 50.0},
}
"""Options that differ from the defaults, by the name of the picture."""

_STIFF: Mapping[str, StiffSettings] = {
    "stiff": StiffSettings(),
    "stiff-gamma-1.5": StiffSettings(gamma=1.5),
    "stiff-gamma-3": StiffSettings(gamma=3.0),
    "stiff-luminance-gamma-1.5": StiffSettings(luminance_gamma=1.5),
    "stiff-saturation-0": StiffSettings(saturation=0.0),
    "stiff-saturation-2": StiffSettings(saturation=2.0),
    "stiff-min-level-0.01": StiffSettings(min_level=0.01),
    "stiff-min-quantile": StiffSettings(min_type="quantile", min_level=0.5),
    "stiff-max-level-0.99": StiffSettings(max_level=0.99),
    "stiff-manual": StiffSettings(
        min_type="manual", min_level=-5.0, max_type="manual", max_level=500.0
    ),
}

Bands = Sequence[NDArray[np.float32]]


def drawn() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield every picture: its name, and pixels with row 0 at the top."""
    field, moved = _field(0), _field(_MOVED_PX)
    for name, differs in _LUPTON.items():
        yield name, _lupton(field, **differs)
    yield "lupton-bright-star", _lupton(moved)
    for name, settings in _STIFF.items():
        yield name, stiff(field, settings)[::-1]
    yield "stiff-bright-star", stiff(moved)[::-1]
    yield "stiff-manual-bright-star", stiff(moved, _STIFF["stiff-manual"])[::-1]
    holes = [_with_hole(band, number) for number, band in enumerate(field)]
    yield "lupton-empty", _lupton(holes)
    yield "stiff-empty", stiff(holes)[::-1]
    yield "grey", stiff(field[:1])[::-1]


def _lupton(
    bands: Bands, *, minimum: float = 1.0, stretch: float = 50.0, q: float = 10.0
) -> NDArray[np.uint8]:
    """Paint a picture, by default with the default options."""
    red, green, blue = bands
    return lupton(red, green, blue, minimum=minimum, stretch=stretch, q=q)[::-1]


def _field(x0: int) -> list[NDArray[np.float32]]:
    return [plane[:, x0 : x0 + _SIZE_PX] for plane in _sky()]


@cache
def _sky() -> tuple[NDArray[np.float32], ...]:
    """Return a strip of sky in three bands: a spiral, a few stars, background galaxies."""
    stars = (
        Source("star", 22.3, 27.7, 4.0e4, 0.25),
        Source("star", 133.2, 112.4, 1.2e4, 0.95),
        Source("star", 112.8, 18.1, 6.0e3, 0.55),
        Source("star", 35.9, 131.3, 2.5e3, 0.05),
    )
    elliptical = Source("bulge", 125.0, 60.0, 2.5e4, 0.8, 5.0, 0.7, 1.0)
    spiral, behind = showpiece("blue", 72.0, 78.0), field_sources(_SEED, _SHAPE)
    sources = [*spiral, *stars, elliptical, *behind]
    return tuple(
        np.asarray(
            make_planes(_SHAPE, band, _SEED, sources=sources, bright_star=_STAR)["SCI"], np.float32
        )
        for band in _BANDS
    )


def _with_hole(band: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Blank a corner, like the edge of an exposure; it differs between the bands."""
    y, x = np.indices(band.shape)
    return np.where((_SIZE_PX - x) + 0.8 * y < 38 + 5 * number, np.float32(np.nan), band)


def main() -> None:
    """Write the pictures that changed; files with the same pixels keep their bytes."""
    FOLDER.mkdir(exist_ok=True)
    for name, pixels in drawn():
        path, content = FOLDER / f"{name}.png", to_png(pixels)
        if not path.is_file() or not np.array_equal(_pixels(path.read_bytes()), pixels):
            path.write_bytes(content)


def _pixels(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


if __name__ == "__main__":
    main()
