"""Releases that the tests of parameters read texts for."""

from collections.abc import Sequence
from typing import Any

import pytest

from soda_service.sky.release import Band, Release


def make_release(name: str, bands: Sequence[str], **changes: Any) -> Release:  # any field
    return Release(
        name=name,
        title=name,
        bands=tuple(Band(band) for band in bands),
        root="/nowhere",
        path_template="{tilename}_{band}.fits",
        **changes,
    )


@pytest.fixture
def des() -> Release:
    """Five bands of one letter, no defaults of its own."""
    return make_release("DR1", "grizY", database="DESDR", pixel_scale_arcsec=0.263)


@pytest.fixture
def wise() -> Release:
    """Bands of two letters, sizes of its own, no known pixel scale."""
    return make_release(
        "AllWISE", ("W1", "W2", "W3", "W4"), size_min_arcmin=2.0, size_max_arcmin=60.0
    )


@pytest.fixture
def narrow() -> Release:
    """Bands that differ only by case."""
    return make_release("narrow", ("y", "Y", "J"))


@pytest.fixture
def pair() -> Release:
    """Two bands: no colour picture is possible."""
    return make_release("pair", ("b", "r"))
