"""What tests of the colour methods share: bands, and the methods by name."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.engine import compiled
from soda_service.engine.colour.lupton import lupton
from soda_service.engine.colour.stiff import StiffSettings, stiff

NATIVE = compiled.native
needs_native = pytest.mark.skipif(NATIVE is None, reason="the compiled loops were not built")
ways = pytest.mark.parametrize(
    "native",
    [pytest.param(NATIVE, id="compiled", marks=needs_native), pytest.param(None, id="numpy")],
)
"""What a test sets `compiled.native` to, to be run by the compiled loops and without them."""

Bands = Sequence[NDArray[np.generic]]
Picture = NDArray[np.uint8]


def by_lupton(bands: Bands, out: Picture | None = None, **options: float) -> Picture:
    how = {"minimum": 1.0, "stretch": 5.0, "q": 8.0} | options
    return lupton(*bands, **how, out=out)


def by_grey(bands: Bands, out: Picture | None = None, **options: float | str) -> Picture:
    return stiff(bands[:1], StiffSettings(**options), out=out)


def by_stiff(bands: Bands, out: Picture | None = None, **options: float | str) -> Picture:
    return stiff(bands, StiffSettings(**options), out=out)


METHODS: Mapping[str, Callable[..., Picture]] = {
    "lupton": by_lupton,
    "stiff": by_stiff,
    "stiff-vivid": partial(by_stiff, gamma=1.7, saturation=2.3, min_type="quantile"),
    "grey": by_grey,
    "grey-manual": partial(
        by_grey, min_type="manual", min_level=-2.0, max_type="manual", max_level=9.0
    ),
}


def sky(shape: tuple[int, int], dtype: str = "f4", seed: int = 1) -> list[NDArray[np.generic]]:
    """Three bands: noise of their own, sources in common, some of them far too bright."""
    rng = np.random.default_rng(seed)
    sources = rng.exponential(8.0, shape) ** 2.5 * (rng.random(shape) > 0.9)
    return [
        (rng.normal(2.0, 3.0, shape) + factor * sources).astype(dtype) for factor in (1, 0.7, 0.3)
    ]


def both_ways(paint: Callable[[], Picture], monkeypatch: pytest.MonkeyPatch) -> list[Picture]:
    """Paint by the compiled loops, and without them."""
    pictures = []
    for native in (NATIVE, None):
        monkeypatch.setattr(compiled, "native", native)
        pictures.append(paint())
    return pictures
