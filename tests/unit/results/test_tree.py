import pytest

from soda_service.results.tree import is_public, is_result, media_type_of, thumbnail_path

CUTOUT = "TILE/J0200-20/J0200-20_irg_stiff.png"


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../j2/summary.json", "thumbnails/../../j2/a.jpg", ".work/plan.json"],
)
def test_what_is_not_for_clients(path: str) -> None:
    assert not is_public(path)


def test_a_thumbnail_is_for_clients_but_no_result() -> None:
    path = thumbnail_path("J0200-20_irg_stiff.png")
    assert path == "thumbnails/J0200-20_irg_stiff.png.jpg"
    assert is_public(path)
    assert not is_result(path)
    assert media_type_of(path) == "image/jpeg"


@pytest.mark.parametrize(
    "path", ["summary.json", CUTOUT, "thumbnails/J0200-20/a_g.fits", "TILE/thumbnails/a_g.fits"]
)
def test_what_else_is_for_clients_is_a_result(path: str) -> None:
    """Also of a tile or an object of that name."""
    assert is_public(path)
    assert is_result(path)
