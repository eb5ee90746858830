"""Which pixels of a cutout are valid, and how those that are not are marked."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.unit.cutouts.scenes import EAST_DEG, RA_DEG, SHAPE, scene
from tests.unit.skyimages import tan_header


@pytest.mark.parametrize("unused", [True, False], ids=["free number", "all numbers in use"])
def test_padded_integers_say_where_there_is_no_pixel(tmp_path: Path, unused: bool) -> None:
    low = 1 if unused else 0
    values = np.random.default_rng(3).integers(low, 256, SHAPE).astype("u1")
    tile = fits.HDUList([fits.PrimaryHDU(values, tan_header(SHAPE))])
    made = scene(tmp_path, {"g": tile})
    outcome = made.cut(ra_deg=RA_DEG + EAST_DEG, edge="pad", xpix=80, ypix=60)
    assert outcome.coverage is not None
    assert 0.4 < outcome.coverage < 0.65
    with made.opened() as file:
        if unused:
            assert file[0].header["BLANK"] == 0
            missing = file[0].data == 0
            assert missing.mean() == pytest.approx(1 - outcome.coverage)
        else:
            assert "BLANK" not in file[0].header


def test_a_cutout_without_any_valid_pixel_is_no_coverage(tmp_path: Path) -> None:
    empty = np.full(SHAPE, np.nan, dtype="f4")
    made = scene(tmp_path, {"g": fits.HDUList([fits.PrimaryHDU(empty, tan_header(SHAPE))])})
    outcome = made.cut()
    assert (outcome.status, outcome.message, outcome.coverage) == (
        "no_coverage",
        "no valid pixel",
        0.0,
    )
    assert len(outcome.files) == 1
