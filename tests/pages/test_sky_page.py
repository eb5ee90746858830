"""The map of the sky in a browser."""

import numpy as np
import pytest
from astropy.wcs import WCS
from playwright.sync_api import Page, Route

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def sky(page: Page, service_url: str) -> Page:
    page.goto(f"{service_url}/sky")
    page.wait_for_selector("#sky[data-ready]")
    return page


def module(page: Page, name: str) -> str:
    """Give the address of a script."""
    address = page.locator('script[type="module"]').get_attribute("src")
    assert address is not None
    return address.replace("skypage.js", name)


@pytest.mark.parametrize("name", ["ZEA", "AIT"])
def test_projections_are_those_of_wcslib(sky: Page, name: str) -> None:
    random = np.random.default_rng(3)
    ra0, dec0 = (123.0, -56.0) if name == "ZEA" else (200.0, 0.0)
    made = f"new m.Zenithal({ra0}, {dec0})" if name == "ZEA" else f"new m.Hammer({ra0})"
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{name}", f"DEC--{name}"]
    wcs.wcs.crval = [ra0, dec0]
    wcs.wcs.cdelt = [-np.degrees(1), np.degrees(1)]
    places = np.stack([random.uniform(0, 360, 300), random.uniform(-89, 89, 300)], axis=-1)
    script = f"""async ([address, places]) => {{
        const m = await import(address), p = {made};
        return places.map((place) => {{
            const xy = p.project(m.toVector(...place));
            return xy && [...xy, ...p.unproject(...xy)];
        }});
    }}"""
    found = sky.evaluate(script, [module(sky, "sphere.js"), places.tolist()])
    drawn = [number for number, each in enumerate(found) if each is not None]
    assert len(drawn) > 250
    answers, sent = np.array([found[number] for number in drawn]), places[drawn]
    assert np.allclose(answers[:, :2], wcs.wcs_world2pix(sent, 0) + 1, atol=1e-9)
    assert np.allclose((answers[:, 2] - sent[:, 0] + 180) % 360 - 180, 0, atol=1e-6)
    assert np.allclose(answers[:, 3], sent[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("21.588 3.486", [21.588, 3.486]),
        (" -1.5,-90 ", [358.5, -90]),
        ("01:26:21.1512 +03:29:09.996", [21.58813, 3.48611]),
        ("01 26 21.1512 -00 29 09.996", [21.58813, -0.48611]),
        ("1:2 \u22123:4", [15.5, -3.0666667]),
    ],
)
def test_places_are_read_as_people_write_them(sky: Page, text: str, place: list[float]) -> None:
    read = "async ([address, text]) => (await import(address)).parsePosition(text)"
    assert sky.evaluate(read, [module(sky, "positions.js"), text]) == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize("text", ["", "12", "nowhere", "1 91", "1 2 3", "1e3 x", "NaN 0"])
def test_other_places_are_refused(sky: Page, text: str) -> None:
    sky.fill("#place", text)
    sky.click("#goto button")
    assert sky.inner_text("#place-fault") == "not a position, nor a tile of this release"


def test_a_tile_is_found_by_name_and_a_place_in_it_chosen(sky: Page, service_url: str) -> None:
    sky.fill("#place", "east0")
    sky.click("#goto button")
    box = sky.locator("#sky canvas").bounding_box()
    assert box is not None
    sky.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    chosen = sky.inner_text("#chosen-text").split()
    assert chosen[-1] == "EAST0"
    link = sky.get_attribute("#chosen-fits", "href")
    assert link == f"{service_url}/sync?RELEASE=TEST1&RA={chosen[0]}&DEC={chosen[1]}"
    answer = sky.request.get(link)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/fits"


def test_the_map_is_used_without_a_mouse(sky: Page) -> None:
    view = "[window.skyView.ra, window.skyView.dec, window.skyView.field]"
    before = sky.evaluate(view)
    sky.focus("#sky canvas")
    for key in ("ArrowLeft", "ArrowUp", "+"):
        sky.keyboard.press(key)
    ra, dec, field = sky.evaluate(view)
    assert (ra > before[0], dec > before[1], field < before[2]) == (True, True, True)
    sky.keyboard.press("Home")
    assert sky.evaluate(view) == pytest.approx(before)
    sky.keyboard.press("Enter")
    assert sky.is_visible("#chosen")


def test_dragging_moves_the_sky_along(sky: Page) -> None:
    sky.evaluate("window.skyView.goTo(30, -20, 1)")
    box = sky.locator("#sky canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    under = (
        "window.skyView.positionAt(window.skyView.width / 2 + 90, window.skyView.height / 2 + 40)"
    )
    middle = sky.evaluate(
        "window.skyView.positionAt(window.skyView.width/2, window.skyView.height/2)"
    )
    sky.mouse.move(x, y)
    sky.mouse.down()
    sky.mouse.move(x + 90, y + 40, steps=5)
    sky.mouse.up()
    assert sky.evaluate(under) == pytest.approx(middle, abs=2e-3)
    assert not sky.is_visible("#chosen")


def test_nothing_is_loaded_from_elsewhere_unasked(page: Page, service_url: str) -> None:
    outside: list[str] = []

    def refuse(route: Route) -> None:
        outside.append(route.request.url)
        # An answer that is no program: a request that fails would stand in the console.
        route.fulfill(status=200, content_type="text/javascript", body="throw 'away';")

    page.route(lambda address: not address.startswith(service_url), refuse)
    page.goto(f"{service_url}/sky/aladin")
    page.wait_for_selector("#load:not([hidden])")
    assert outside == []


def test_it_is_told_where_aladin_cannot_be_loaded(page: Page, service_url: str) -> None:
    # Without the program that it expects, as where the server is away.
    page.route("https://aladin.cds.unistra.fr/**", lambda route: route.fulfill(body="0;"))
    page.goto(f"{service_url}/sky/aladin")
    page.click("#load")
    page.wait_for_selector("#away:not([hidden])")
    assert page.is_enabled("#load")


def test_without_scripts_there_is_a_drawing(page: Page, service_url: str) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{service_url}/sky")
    assert plain.is_visible("svg.overview")
    assert not plain.is_visible("#sky canvas")
    context.close()
