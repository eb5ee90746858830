"""The form for new cutouts in a browser."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import requests
from astropy.coordinates import SkyCoord
from playwright.sync_api import Page, Route, expect

from tests.pages.accessibility import assert_accessible
from tests.synthetic import DEC_DEG, RA_DEG

pytestmark = pytest.mark.xdist_group("browser")

TABLE = f"RA,DEC,XSIZE\n{RA_DEG},{DEC_DEG},0.3\n{RA_DEG},{DEC_DEG},0.3\n"
FAULTY = f"RA,DEC,XSIZE\n{RA_DEG},{DEC_DEG},\n\n10,10,\n{RA_DEG},{DEC_DEG},99\n"
LUPTON = '[data-method="LUPTON"]'


@pytest.fixture
def ask(page: Page, service_url: str) -> Page:
    return opened(page, service_url)


def opened(page: Page, service_url: str, query: str = "") -> Page:
    # Documents of the API name no icon, and a missing one would stand in the console.
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.goto(f"{service_url}/{query}")
    page.wait_for_selector("#ask[data-state]")
    return page


def module(page: Page, name: str) -> str:
    address = page.locator('script[type="module"]').get_attribute("src")
    assert address is not None
    return address.replace("ask.js", name)


def called(page: Page, script: str, function: str, *arguments: object) -> Any:
    """Call a function of one of the page's scripts."""
    code = f"async ([address, given]) => (await import(address)).{function}(...given)"
    return page.evaluate(code, [module(page, script), list(arguments)])


def sums(page: Page) -> dict[str, str]:
    texts = page.locator("#sums div").all_inner_texts()
    return dict(text.replace("\n\n", "\n").split("\n", 1) for text in texts)


def settled(page: Page, state: str) -> None:
    page.wait_for_selector(f'#ask[data-state="{state}"]')


def press_bands(page: Page, method: str, *bands: str) -> None:
    for band in bands:
        page.locator(f'{method} .bands input[value="{band}"]').focus()
        page.keyboard.press("Space")


# ---------------------------------------------------------------- positions


ADDED = "a header RA,DEC was added"
CONVERTED = f"{ADDED}; hours and degrees were converted to degrees"
PASTED = {
    "21.588 3.486": ("RA,DEC\n21.588,3.486\n", ADDED),
    "21.588,3.486\r\n1;-2\r\n": ("RA,DEC\n21.588,3.486\n1,-2\n", ADDED),
    "1\t\u22122": ("RA,DEC\n1,-2\n", ADDED),
    "ra dec\n1 2": ("RA,DEC\n1,2\n", "blanks became commas"),
    "01:26:21.1512 +03:29:09.996\n01 26 21.1512 -00 29 09.996\n1h26m21.1512s -0d29m9.996s": (
        "RA,DEC\n21.58813,3.48611\n21.58813,-0.48611\n21.58813,-0.48611\n",
        CONVERTED,
    ),
}


def test_pasted_positions_become_a_table(ask: Page) -> None:
    for text, (table, said) in PASTED.items():
        ask.fill("#POSITIONS", text)
        ask.focus("#XSIZE")
        assert ask.input_value("#POSITIONS") == table
        assert ask.inner_text("#said") == f"Read as positions: {said}."


def test_other_texts_stay_as_they_are(ask: Page) -> None:
    texts = [
        *("", "RA,DEC\n1,2\n", "ra,dec,name\n1,2,a b\n", "1 91", "1 2 3", "01:60:00 +00:00:00"),
        *("01:00:00 5", "<VOTABLE/>", "COADD_OBJECT_ID\n1\n", '"RA",DEC\n1,2'),
    ]
    found = [called(ask, "askpositions.js", "toTable", text) for text in texts]
    assert found == [{"text": text, "said": ""} for text in texts]


def test_sexagesimal_positions_are_those_of_astropy(ask: Page) -> None:
    random = np.random.default_rng(5)
    ra, dec = random.uniform(0, 360, 200), random.uniform(-89.9, 89.9, 200)
    texts = SkyCoord(ra, dec, unit="deg").to_string("hmsdms", sep=":", precision=5)
    found = [called(ask, "askpositions.js", "readLine", text)["text"] for text in texts[:5]]
    lines = called(ask, "askpositions.js", "toTable", "\n".join(texts))["text"].split()[1:]
    assert lines[:5] == found
    read = np.array([line.split(",") for line in lines], dtype=float)
    assert np.allclose(read, np.stack([ra, dec], axis=-1), atol=2e-7)


LINES = {
    "": [],
    "RA,DEC\n1,2": [0, 1],
    "\n RA,DEC\n\n1,2\r\n\r\n3,4\n": [1, 3, 5],
    'RA,DEC,n\n1,2,"a\nb"\n3,4,"c ""d"""\n': [0, 1, 3],
    'RA,DEC\n1,"2\n': [0, 1],
}


def test_rows_are_found_in_their_lines(ask: Page) -> None:
    assert {text: called(ask, "askpositions.js", "recordLines", text) for text in LINES} == LINES


def test_rows_are_checked_while_typing(ask: Page) -> None:
    ask.locator("#POSITIONS").press_sequentially(FAULTY, delay=0)
    settled(ask, "faulty")
    marks = ask.eval_on_selector_all(".gutter span", "all => all.map(each => each.className)")
    assert marks == ["", "ok", "", "off", "bad", ""]
    told = ask.locator("#rows li").all_inner_texts()
    assert [text.split("\n")[0] for text in told] == ["line 4", "line 5"]
    assert "no tile of release TEST1" in told[0]
    assert "XSIZE: '99' is out of range" in told[1]
    assert ask.get_attribute("#POSITIONS", "aria-invalid") == "true"
    assert sums(ask)["Rows"] == "3"
    ask.click("#rows li:last-child button")
    chosen = (
        "[this.askPage.sheet.textarea.selectionStart, this.askPage.sheet.textarea.selectionEnd]"
    )
    start, end = ask.evaluate(chosen)
    assert FAULTY[start:end] == f"{RA_DEG},{DEC_DEG},99"
    assert_accessible(ask)


def test_the_newest_answer_wins(page: Page, service_url: str) -> None:
    ask = opened(page, service_url)
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    ask.route("**/validate", hold_first)
    ask.fill("#POSITIONS", "RA,DEC\nx,1\n")
    ask.wait_for_timeout(0)
    while not held:
        ask.wait_for_timeout(20)
    ask.fill("#POSITIONS", TABLE)
    settled(ask, "valid")
    held[0].abort()  # the page gave it up already
    assert sums(ask)["Rows"] == "2"
    assert ask.is_hidden("#rows")


def test_an_example_can_be_tried_and_cut(ask: Page, service_url: str) -> None:
    ask.click("#example")
    settled(ask, "valid")
    assert {"Rows": "2", "In tiles": "2", "Files": "2"}.items() <= sums(ask).items()
    assert ask.inner_text("#tiles").startswith("1 tile: EAST")
    with ask.expect_navigation():
        ask.click("#cut")
    assert ask.url.startswith(f"{service_url}/")
    job = ask.url.rsplit("/", 1)[1]
    document = {"Accept": "application/json"}
    made = requests.get(f"{service_url}/async/{job}", headers=document, timeout=60).json()
    assert [each["id"] for each in made["parameters"]] == ["RELEASE", "POSITIONS"]
    opened(ask, service_url, f"?from={job}")
    assert ask.input_value("#POSITIONS").startswith("RA,DEC\n")


@pytest.mark.parametrize("size", ["short", "long"])
def test_a_file_is_taken(ask: Page, tmp_path: Path, size: str) -> None:
    count = 3 if size == "short" else 24_000
    path = tmp_path / "mine.csv"
    path.write_text("RA,DEC\n" + f"{RA_DEG},{DEC_DEG}\n" * count)
    ask.set_input_files("#file", path)
    ask.wait_for_selector("#said:has-text('mine.csv')")
    settled(ask, "valid")
    assert sums(ask)["Rows"].replace("\u202f", "") == str(count)
    assert ask.input_value("#POSITIONS").count("\n") == (4 if size == "short" else 0)
    assert ask.is_disabled("#POSITIONS") is (size == "long")
    with ask.expect_navigation():
        ask.click("#cut")
    assert "/jobs/" in ask.url


def test_a_double_click_makes_one_job(ask: Page, service_url: str) -> None:
    ask.fill("#POSITIONS", TABLE)
    ask.fill("#JOBNAME", "clicked twice")
    with ask.expect_navigation():
        ask.dblclick("#cut")
    ask.wait_for_url("**/jobs/*")
    found = requests.get(
        f"{service_url}/jobs",
        params={"q": "clicked twice"},
        headers={"Accept": "application/json"},
        timeout=60,
    ).json()
    assert found["total"] == 1


def test_a_position_is_picked_on_the_sky(ask: Page) -> None:
    ask.click("#pick")
    ask.wait_for_selector("#map[data-ready]")
    ask.evaluate(f"window.askPage.view.goTo({RA_DEG}, {DEC_DEG}, 0.2)")
    ask.focus("#map canvas")
    ask.keyboard.press("Enter")
    settled(ask, "valid")
    header, row = ask.input_value("#POSITIONS").split()
    assert header == "RA,DEC"
    assert [float(cell) for cell in row.split(",")] == pytest.approx([RA_DEG, DEC_DEG], abs=1e-5)
    assert ask.evaluate("window.askPage.view.positions.map((each) => each.status)") == ["ok"]
    ask.fill("#POSITIONS", f"name,Dec,RA\nfirst,{DEC_DEG},{RA_DEG}")
    ask.keyboard.press("Tab")
    ask.focus("#map canvas")
    ask.keyboard.press("Enter")
    assert ask.input_value("#POSITIONS").split("\n")[2].startswith(",-20.0")
    ask.click("#pick")
    assert ask.is_hidden("#map")


# ------------------------------------------------------------------ bands


def test_a_picture_is_three_different_bands(ask: Page) -> None:
    chips = ask.locator(f"{LUPTON} .chip")
    add = ask.locator(f"{LUPTON} .picker > button")
    press_bands(ask, LUPTON, "z", "r")
    assert add.is_disabled()
    press_bands(ask, LUPTON, "g")
    # A fourth is not possible till one is taken back.
    assert ask.is_disabled(f'{LUPTON} .bands input[value="Y"]')
    press_bands(ask, LUPTON, "r")
    press_bands(ask, LUPTON, "Y")
    expect(ask.get_by_label("Y, blue")).to_be_checked()
    add.focus()
    ask.keyboard.press("Enter")
    assert chips.all_inner_texts() == ["i\nr\ng\n\u00d7", "z\ng\nY\n\u00d7"]
    assert ask.input_value("#RGB_LUPTON_COLORS") == "irg;zgy"
    assert ask.is_checked("#MAKE_RGB_LUPTON")
    # None twice; the other method has its own.
    press_bands(ask, LUPTON, "z", "g", "Y")
    add.click()
    assert ask.inner_text(f"{LUPTON} .told") == "z g Y is there already."
    assert ask.input_value("#RGB_STIFF_COLORS") == "irg"
    ask.get_by_role("button", name="Remove i r g").last.focus()
    ask.keyboard.press("Enter")
    assert ask.input_value("#RGB_LUPTON_COLORS") == "zgy"
    assert ask.evaluate("document.activeElement.ariaLabel") == "Remove z g Y"


def test_images_of_no_band_are_not_asked_for(ask: Page) -> None:
    for band, is_on in (("i", False), ("g", True), ("g", False)):
        ask.locator(f'#COLORS_FITS input[value="{band}"]').set_checked(is_on, force=True)
        assert ask.is_checked("#MAKE_FITS") is is_on
    ask.check("#MAKE_FITS")
    assert ask.is_checked('#COLORS_FITS input[value="i"]')


WISE = {
    "name": "WISE",
    "bands": ["W1", "W2", "W3", "W4"],
    "chosen": ["W3"],
    "triplets": {"STIFF": [["W4", "W3", "W1"]], "LUPTON": [["W4", "W3", "W1"]]},
    "isCaseNeeded": False,
    "defaults": {"XSIZE": "3.0", "YSIZE": "3.0", "COLORS_FITS": "w3", "MAKE_RGB_STIFF": "true"},
    "allowed": {"XSIZE": "number from 1 to 9 arcmin", "XPIX": "integer"},
    "example": "",
}
PAIR = WISE | {"name": "PAIR", "bands": ["a", "b"], "triplets": {"STIFF": [], "LUPTON": []}}


def test_fields_follow_the_release(page: Page, service_url: str) -> None:
    def add(route: Route) -> None:
        answer = route.fetch()
        body = answer.text().replace(
            "</select>\n", '<option value="WISE">W<option value="PAIR">P</select>\n', 1
        )
        start = body.index('id="facts">[') + len('id="facts">[')
        route.fulfill(
            response=answer,
            body=f"{body[:start]}{json.dumps(WISE)},{json.dumps(PAIR)},{body[start:]}",
        )

    page.route(f"{service_url}/", add)
    ask = opened(page, service_url)
    ask.fill("#YSIZE", "0.5")
    ask.click("#link")  # linked no more
    ask.fill("#XSIZE", "1.0")
    ask.select_option("#RELEASE", "WISE")
    assert (ask.input_value("#XSIZE"), ask.input_value("#YSIZE")) == ("3.0", "0.5")
    assert ask.inner_text("#allowed-XSIZE") == "number from 1 to 9 arcmin"
    assert ask.locator("#COLORS_FITS .choice").all_inner_texts() == ["W1", "W2", "W3", "W4"]
    assert ask.input_value("#RGB_LUPTON_COLORS") == "w4,w3,w1"
    assert (ask.is_checked("#MAKE_RGB_STIFF"), ask.is_disabled("#example")) == (True, True)
    press_bands(ask, LUPTON, "W1", "W2", "W3")
    ask.click(f"{LUPTON} .picker > button")
    assert ask.input_value("#RGB_LUPTON_COLORS") == "w4,w3,w1;w1,w2,w3"
    ask.select_option("#RELEASE", "PAIR")
    assert (ask.is_disabled("#MAKE_RGB_LUPTON"), ask.is_checked("#MAKE_RGB_LUPTON")) == (
        True,
        False,
    )
    assert ask.input_value("#RGB_LUPTON_COLORS") == ""


def test_a_picture_of_a_row_is_shown_as_it_would_be(ask: Page) -> None:
    ask.fill("#POSITIONS", f"RA,DEC\n10,10\n{RA_DEG},{DEC_DEG}\n")
    ask.fill("#XSIZE", "0.3")
    ask.check("#MAKE_RGB_LUPTON")
    ask.wait_for_selector("#picture:not(.old)[src]")
    assert ask.locator("#row option").all_inner_texts() == ["2"]
    assert ask.locator("#shown option").all_inner_texts() == ["Lupton i r g", "band i"]
    before = ask.get_attribute("#picture", "src")
    with ask.expect_response(lambda answer: "/sync?" in answer.url) as waited:
        ask.fill("#RGB_STRETCH", "5")
    query = parse_qs(urlsplit(waited.value.url).query)
    assert query["RGB_STRETCH"] == ["5"]
    assert (query["XSIZE"], query["YSIZE"]) == (["0.3"], ["0.3"])
    expect(ask.locator("#picture")).not_to_have_attribute("src", str(before))
    assert ask.evaluate("document.getElementById('picture').naturalWidth") == 68
    assert ask.get_attribute("#picture", "alt") == "Row 2, Lupton i r g"


def test_it_is_told_why_there_is_no_picture(ask: Page) -> None:
    ask.route("**/sync?*", lambda route: route.fulfill(status=204))
    ask.fill("#POSITIONS", TABLE)
    expect(ask.locator("#picture-said")).to_have_text("No pixel lies there.")
    assert ask.is_hidden("#picture")


# ------------------------------------------------------------------ the same


def test_the_same_request_as_a_link_fills_the_form(ask: Page, service_url: str) -> None:
    ask.fill("#POSITIONS", TABLE)
    ask.fill("#JOBNAME", "it's mine & so on")
    ask.fill("#XSIZE", "0.4")
    ask.check("#MAKE_RGB_LUPTON")
    ask.click("#same summary")
    expect(ask.locator("#address")).to_contain_text(f"{service_url}/?RELEASE=TEST1")
    curl = ask.inner_text("#curl")
    assert "--form-string 'JOBNAME=it'\\''s mine & so on'" in curl
    assert curl.startswith(f"cat > positions.csv <<'END'\n{TABLE}END\n")
    assert '"XSIZE": "0.4",' in ask.inner_text("#python")
    compile(ask.inner_text("#python"), "python", "exec")
    again = opened(ask, service_url, ask.inner_text("#address").removeprefix(f"{service_url}/"))
    assert again.input_value("#POSITIONS") == TABLE
    assert again.input_value("#JOBNAME") == "it's mine & so on"
    assert again.is_checked("#MAKE_RGB_LUPTON")


def test_a_snippet_is_copied(ask: Page) -> None:
    ask.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask.click("#same summary")
    expect(ask.locator("#address")).not_to_be_empty()
    ask.click('[data-copies="address"]')
    expect(ask.locator('[data-copies="address"]')).to_contain_text("Copied")
    assert ask.evaluate("navigator.clipboard.readText()") == ask.inner_text("#address")


# ------------------------------------------------------------ without scripts


def test_without_scripts_faults_come_back_and_a_job_is_made(page: Page, service_url: str) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{service_url}/")
    plain.fill("#POSITIONS", "RA,DEC\n30,-20\nx,1\n")
    plain.fill("#XSIZE", "99")
    plain.get_by_label("Y", exact=True).check(force=True)
    plain.click("#cut")
    assert plain.get_by_role("alert").get_by_role("link").all_inner_texts()[0].startswith("XSIZE:")
    assert plain.input_value("#POSITIONS") == "RA,DEC\n30,-20\nx,1\n"
    plain.fill("#POSITIONS", TABLE)
    plain.fill("#XSIZE", "0.5")
    plain.click("button:has-text('Check only')")
    assert "Files\n4" in plain.inner_text("#outcome").replace("\n\n", "\n")
    plain.click("#cut")
    assert plain.url.startswith(f"{service_url}/")
    assert "/jobs/" in plain.url
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1400, "dark")])
def test_the_form_is_accessible_while_it_is_used(ask: Page, width: int, scheme: str) -> None:
    ask.set_viewport_size({"width": width, "height": 900})
    ask.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two words
    ask.fill("#POSITIONS", FAULTY)
    for summary in ("#same summary", ".more summary"):
        ask.click(summary)
    press_bands(ask, LUPTON, "z", "r", "g")
    settled(ask, "faulty")
    ask.wait_for_selector("#picture:not(.old)[src]")
    assert_accessible(ask)
    assert ask.evaluate("document.documentElement.scrollWidth") <= width
