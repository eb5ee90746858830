import numpy as np
import pytest

from soda_service.demo.sources import BANDS, Source, field_sources, flux_in, showpiece

KINDS = ("spiral", "inclined", "edge", "blue", "cluster")


def colour(source: Source, first: str, second: str) -> float:
    return -2.5 * np.log10(flux_in(source, first) / flux_in(source, second))


def test_an_unknown_showpiece_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="kind is 'comet'; allowed: spiral, inclined, edge, blue"):
        showpiece("comet", 0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_showpiece_stands_where_it_is_put_and_is_always_the_same(kind: str) -> None:
    first = showpiece(kind, 100.25, 200.5)
    assert (first[0].x, first[0].y) == (100.25, 200.5)
    assert showpiece(kind, 100.25, 200.5) == first


@pytest.mark.parametrize("kind", ["star", "knot", "disc", "bulge"])
def test_flux_is_that_in_r(kind: str) -> None:
    for redness in (0.0, 0.31, 1.0):
        assert flux_in(Source(kind, 0, 0, 750.0, redness), "r") == pytest.approx(750)


@pytest.mark.parametrize("kind", ["star", "disc"])
@pytest.mark.parametrize("pair", ["gr", "ri", "iz", "zY"])
def test_redder_sources_are_redder_in_every_colour(kind: str, pair: str) -> None:
    colours = [colour(Source(kind, 0, 0, 1, t), *pair) for t in np.linspace(0, 1, 25)]
    assert np.all(np.diff(colours) > -1e-12)
    assert colours[-1] - colours[0] > 0.1


def test_stars_span_blue_to_red() -> None:
    stars = [s for s in field_sources(1, (2000, 2000)) if s.kind == "star"]
    colours = [colour(star, "g", "i") for star in stars]
    assert min(colours) < 0.2
    assert max(colours) > 2.5


def test_a_field_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert field_sources(5, (600, 500)) == field_sources(5, (600, 500))
    assert field_sources(5, (600, 500)) != field_sources(6, (600, 500))


def test_a_field_is_as_crowded_as_the_sky() -> None:
    sources = field_sources(2, (1500, 1200))
    stars = sum(s.kind == "star" for s in sources)
    galaxies = len({(s.x, s.y) for s in sources if s.kind != "star"})
    assert (stars, galaxies) == (108, 540)
    assert all(0 <= s.x <= 1200 and 0 <= s.y <= 1500 for s in sources)
    assert set(BANDS) == {"g", "r", "i", "z", "Y"}


def test_nothing_bright_comes_near_a_place_to_be_kept_clear() -> None:
    place = (700.0, 700.0)
    bright = [s for s in field_sources(3, (1400, 1400)) if s.flux > 2e4]
    kept = [s for s in field_sources(3, (1400, 1400), [place]) if s.flux > 2e4]

    def is_far(source: Source) -> bool:
        return bool(np.hypot(source.x - 700, source.y - 700) >= 230)

    assert kept == [s for s in bright if is_far(s)]
    assert len(kept) < len(bright)
