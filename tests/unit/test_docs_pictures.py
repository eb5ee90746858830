import importlib.util
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io.fits import Header
from PIL import Image

from soda_service.config.model import Config
from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import sky_grid
from soda_service.engine.wcs.orientation import orientation
from soda_service.engine.wcs.placement import placement
from soda_service.formats.avm import PNG_WCS, PNG_XMP, wcs_text, xmp_packet
from soda_service.formats.png import to_png

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "pictures.md"
BYTES_MAX = 60_000


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_pictures", DOCS / "render_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown() -> set[str]:
    return {path.stem for path in DOCS.joinpath("pictures").iterdir()}


def links() -> Iterator[str]:
    return (match[1] for match in re.finditer(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_all_links_of_the_page_hold() -> None:
    found = []
    for link in links():
        path, _, anchor = link.partition("#")
        page = DOCS / path
        if not page.is_file() or (anchor and anchor not in anchors(page)):
            found.append(link)
    assert found == []


def test_the_page_shows_every_picture_and_none_twice_made() -> None:
    on_page = {Path(link).stem for link in links() if link.startswith("pictures/")}
    assert on_page == shown()


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in DOCS.joinpath("pictures").iterdir()}
    assert {name: size for name, size in sizes.items() if size > BYTES_MAX} == {}


def test_pictures_are_those_that_the_script_draws(script: ModuleType) -> None:
    # To a level here and there: the synthetic sky's last bits are the machine's.
    differ, names = {}, set()
    for name, pixels in script.drawn():
        names.add(name)
        with Image.open(DOCS / "pictures" / f"{name}.png") as picture:
            kept = np.asarray(picture).astype(int)
        if kept.shape != pixels.shape or np.mean(np.abs(kept - pixels) > 1) > 0.001:
            differ[name] = kept.shape
    assert differ == {}, "run: .venv/bin/python docs/render_pictures.py"
    assert names == shown()


def test_its_examples_find_a_star(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ra_deg, dec_deg = 21.58813, 3.48611
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra_deg, "CRVAL2": dec_deg,
        "CRPIX1": 31.0, "CRPIX2": 12.5, "CD1_1": 7e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 7e-5,
    }  # fmt: skip
    header = TextHeader.from_astropy(Header(cards.items()))
    grid, box = sky_grid(header), PixelBox(y0=2, y1=32, x0=5, x1=45)
    where = placement(grid, header, box, orientation(grid, box))
    texts = {PNG_XMP: xmp_packet(where), PNG_WCS: wcs_text(where)}
    file = to_png(np.zeros(where.shape, np.uint8), text=texts)
    (tmp_path / "NAME_irg_stiff.png").write_bytes(file)
    monkeypatch.chdir(tmp_path)
    pyavm, astropy = re.findall("```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(pyavm, names)
    # The tile is mirrored, the picture is not: x counts from the other side of 40 pixels.
    assert (float(names["x"]), float(names["y"])) == pytest.approx((39 - 25, 9.5), abs=1e-6)
    exec(astropy, names)
    assert names["wcs"].wcs_world2pix(ra_deg, dec_deg, 0) == pytest.approx([14, 9.5], abs=1e-6)


def test_the_page_names_the_settings_of_pictures_and_no_others() -> None:
    settings = {field.name for field in fields(Config().pictures)}
    named = set(re.findall(r"`((?:stiff|jpeg|thumbnails)_\w+)", PAGE.read_text(encoding="utf-8")))
    assert named == settings
