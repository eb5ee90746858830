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
def form(page: Page, service_url: str) -> Page:
    return opened(page, service_url)


def opened(page: Page, service_url: str, query: str = "") -> Page:
    # Documents of the API name no icon, and a missing one would stand in the console.
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.goto(f"{service_url}/{query}")
    page.wait_for_selector("#submit[data-state]")
    return page


def module(page: Page, name: str) -> str:
    address = page.locator('script[type="module"]').get_attribute("src")
    assert address is not None
    return address.replace("submit.js", name)


def called(page: Page, script: str, function: str, *arguments: object) -> Any:
    """Call a function of one of the page's scripts."""
    code = f"async ([address, values]) => (await import(address)).{function}(...values)"
    return page.evaluate(code, [module(page, script), list(arguments)])


def sums(page: Page) -> dict[str, str]:
    texts = page.locator("#sums div").all_inner_texts()
    return dict(text.replace("\n\n", "\n").split("\n", 1) for text in texts)


def settled(page: Page, state: str) -> None:
    page.wait_for_selector(f'#submit[data-state="{state}"]')


def press_bands(page: Page, method: str, *bands: str) -> None:
    for band in bands:
        page.locator(f'{method} .bands input[value="{band}"]').focus()
        page.keyboard.press("Space")


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


def test_pasted_positions_become_a_table(form: Page) -> None:
    for text, (table, note) in PASTED.items():
        form.fill("#POSITIONS", text)
        form.focus("#XSIZE")
        assert form.input_value("#POSITIONS") == table
        assert form.inner_text("#table-status") == f"Read as positions: {note}."


def test_other_texts_stay_as_they_are(form: Page) -> None:
    texts = [
        *("", "RA,DEC\n1,2\n", "ra,dec,name\n1,2,a b\n", "1 91", "1 2 3", "01:60:00 +00:00:00"),
        *("01:00:00 5", "<VOTABLE/>", "COADD_OBJECT_ID\n1\n", '"RA",DEC\n1,2'),
    ]
    found = [called(form, "positions.js", "toTable", text) for text in texts]
    assert found == [{"text": text, "note": ""} for text in texts]


def test_sexagesimal_positions_are_those_of_astropy(form: Page) -> None:
    random = np.random.default_rng(5)
    ra, dec = random.uniform(0, 360, 200), random.uniform(-89.9, 89.9, 200)
    texts = SkyCoord(ra, dec, unit="deg").to_string("hmsdms", sep=":", precision=5)
    found = [called(form, "positions.js", "parseLine", text)["text"] for text in texts[:5]]
    lines = called(form, "positions.js", "toTable", "\n".join(texts))["text"].split()[1:]
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


def test_rows_are_found_in_their_lines(form: Page) -> None:
    assert {text: called(form, "positions.js", "recordLines", text) for text in LINES} == LINES


def test_rows_are_checked_while_typing(form: Page) -> None:
    form.locator("#POSITIONS").press_sequentially(FAULTY, delay=0)
    settled(form, "faulty")
    marks = form.eval_on_selector_all(".gutter span", "all => all.map(each => each.className)")
    assert marks == ["", "ok", "", "off", "bad", ""]
    listed = form.locator("#rows li").all_inner_texts()
    assert [text.split("\n")[0] for text in listed] == ["line 4", "line 5"]
    assert "no tile of release TEST1" in listed[0]
    assert "XSIZE: '99' is out of range" in listed[1]
    assert form.get_attribute("#POSITIONS", "aria-invalid") == "true"
    assert sums(form)["Rows"] == "3"
    form.click("#rows li:last-child button")
    chosen = "(({selectionStart: a, selectionEnd: b}) => [a, b])(submitPage.sheet.textarea)"
    start, end = form.evaluate(chosen)
    assert FAULTY[start:end] == f"{RA_DEG},{DEC_DEG},99"
    assert_accessible(form)


def test_the_newest_answer_wins(page: Page, service_url: str) -> None:
    form = opened(page, service_url)
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    form.route("**/validate", hold_first)
    form.fill("#POSITIONS", "RA,DEC\nx,1\n")
    form.wait_for_timeout(0)
    while not held:
        form.wait_for_timeout(20)
    form.fill("#POSITIONS", TABLE)
    settled(form, "valid")
    held[0].abort()  # the page gave it up already
    assert sums(form)["Rows"] == "2"
    assert form.is_hidden("#rows")


def test_an_example_can_be_tried_and_cut(form: Page, service_url: str) -> None:
    form.click("#example")
    settled(form, "valid")
    assert {"Rows": "2", "In tiles": "2", "Files": "2"}.items() <= sums(form).items()
    assert form.inner_text("#tiles").startswith("1 tile: EAST")
    with form.expect_navigation():
        form.click("#cut")
    assert form.url.startswith(f"{service_url}/")
    job = form.url.rsplit("/", 1)[1]
    document = {"Accept": "application/json"}
    made = requests.get(f"{service_url}/async/{job}", headers=document, timeout=60).json()
    assert [each["id"] for each in made["parameters"]] == ["RELEASE", "POSITIONS"]
    opened(form, service_url, f"?from={job}")
    assert form.input_value("#POSITIONS").startswith("RA,DEC\n")


@pytest.mark.parametrize("size", ["short", "long"])
def test_a_file_is_taken(form: Page, tmp_path: Path, size: str) -> None:
    count = 3 if size == "short" else 24_000
    path = tmp_path / "mine.csv"
    path.write_text("RA,DEC\n" + f"{RA_DEG},{DEC_DEG}\n" * count)
    form.set_input_files("#file", path)
    form.wait_for_selector("#table-status:has-text('mine.csv')")
    settled(form, "valid")
    assert sums(form)["Rows"].replace("\u202f", "") == str(count)
    assert form.input_value("#POSITIONS").count("\n") == (4 if size == "short" else 0)
    assert form.is_disabled("#POSITIONS") is (size == "long")
    with form.expect_navigation():
        form.click("#cut")
    assert "/jobs/" in form.url


def test_a_double_click_makes_one_job(form: Page, service_url: str) -> None:
    form.fill("#POSITIONS", TABLE)
    form.fill("#JOBNAME", "clicked twice")
    with form.expect_navigation():
        form.dblclick("#cut")
    form.wait_for_url("**/jobs/*")
    found = requests.get(
        f"{service_url}/jobs",
        params={"q": "clicked twice"},
        headers={"Accept": "application/json"},
        timeout=60,
    ).json()
    assert found["total"] == 1


def test_a_position_is_picked_on_the_sky(form: Page) -> None:
    form.click("#pick")
    form.wait_for_selector("#map[data-ready]")
    form.evaluate(f"window.submitPage.view.goTo({RA_DEG}, {DEC_DEG}, 0.2)")
    form.focus("#map canvas")
    form.keyboard.press("Enter")
    settled(form, "valid")
    header, row = form.input_value("#POSITIONS").split()
    assert header == "RA,DEC"
    assert [float(cell) for cell in row.split(",")] == pytest.approx([RA_DEG, DEC_DEG], abs=1e-5)
    assert form.evaluate("window.submitPage.view.positions.map((each) => each.status)") == ["ok"]
    form.fill("#POSITIONS", f"name,Dec,RA\nfirst,{DEC_DEG},{RA_DEG}")
    form.keyboard.press("Tab")
    form.focus("#map canvas")
    form.keyboard.press("Enter")
    assert form.input_value("#POSITIONS").split("\n")[2].startswith(",-20.0")
    form.click("#pick")
    assert form.is_hidden("#map")


def test_a_picture_is_three_different_bands(form: Page) -> None:
    chips = form.locator(f"{LUPTON} .chip")
    add = form.locator(f"{LUPTON} .picker > button")
    press_bands(form, LUPTON, "z", "r")
    assert add.is_disabled()
    press_bands(form, LUPTON, "g")
    # A fourth is not possible till one is taken back.
    assert form.is_disabled(f'{LUPTON} .bands input[value="Y"]')
    press_bands(form, LUPTON, "r")
    press_bands(form, LUPTON, "Y")
    expect(form.get_by_label("Y, blue")).to_be_checked()
    add.focus()
    form.keyboard.press("Enter")
    assert chips.all_inner_texts() == ["i\nr\ng\n\u00d7", "z\ng\nY\n\u00d7"]
    assert form.input_value("#RGB_LUPTON_COLORS") == "irg;zgy"
    assert form.is_checked("#MAKE_RGB_LUPTON")
    # None twice; the other method has its own.
    press_bands(form, LUPTON, "z", "g", "Y")
    add.click()
    assert form.inner_text(f"{LUPTON} .status") == "z g Y was already added."
    assert form.input_value("#RGB_STIFF_COLORS") == "irg"
    form.get_by_role("button", name="Remove i r g").last.focus()
    form.keyboard.press("Enter")
    assert form.input_value("#RGB_LUPTON_COLORS") == "zgy"
    assert form.evaluate("document.activeElement.ariaLabel") == "Remove z g Y"


def test_images_of_no_band_are_not_asked_for(form: Page) -> None:
    for band, is_on in (("i", False), ("g", True), ("g", False)):
        form.locator(f'#COLORS_FITS input[value="{band}"]').set_checked(is_on, force=True)
        assert form.is_checked("#MAKE_FITS") is is_on
    form.check("#MAKE_FITS")
    assert form.is_checked('#COLORS_FITS input[value="i"]')


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
    form = opened(page, service_url)
    form.fill("#YSIZE", "0.5")
    form.click("#link")  # linked no more
    form.fill("#XSIZE", "1.0")
    form.select_option("#RELEASE", "WISE")
    assert (form.input_value("#XSIZE"), form.input_value("#YSIZE")) == ("3.0", "0.5")
    assert form.inner_text("#allowed-XSIZE") == "number from 1 to 9 arcmin"
    assert form.locator("#COLORS_FITS .choice").all_inner_texts() == ["W1", "W2", "W3", "W4"]
    assert form.input_value("#RGB_LUPTON_COLORS") == "w4,w3,w1"
    assert (form.is_checked("#MAKE_RGB_STIFF"), form.is_disabled("#example")) == (True, True)
    press_bands(form, LUPTON, "W1", "W2", "W3")
    form.click(f"{LUPTON} .picker > button")
    assert form.input_value("#RGB_LUPTON_COLORS") == "w4,w3,w1;w1,w2,w3"
    form.select_option("#RELEASE", "PAIR")
    assert (form.is_disabled("#MAKE_RGB_LUPTON"), form.is_checked("#MAKE_RGB_LUPTON")) == (
        True,
        False,
    )
    assert form.input_value("#RGB_LUPTON_COLORS") == ""


def test_a_picture_of_a_row_is_shown_as_it_would_be(form: Page) -> None:
    form.fill("#POSITIONS", f"RA,DEC\n10,10\n{RA_DEG},{DEC_DEG}\n")
    form.fill("#XSIZE", "0.3")
    form.check("#MAKE_RGB_LUPTON")
    form.wait_for_selector("#picture:not(.old)[src]")
    assert form.locator("#row option").all_inner_texts() == ["2"]
    assert form.locator("#picture-choice option").all_inner_texts() == ["Lupton i r g", "band i"]
    before = form.get_attribute("#picture", "src")
    with form.expect_response(lambda answer: "/sync?" in answer.url) as waited:
        form.fill("#RGB_STRETCH", "5")
    query = parse_qs(urlsplit(waited.value.url).query)
    assert query["RGB_STRETCH"] == ["5"]
    assert (query["XSIZE"], query["YSIZE"]) == (["0.3"], ["0.3"])
    expect(form.locator("#picture")).not_to_have_attribute("src", str(before))
    assert form.evaluate("document.getElementById('picture').naturalWidth") == 68
    assert form.get_attribute("#picture", "alt") == "Row 2, Lupton i r g"


def test_it_is_told_why_there_is_no_picture(form: Page) -> None:
    form.route("**/sync?*", lambda route: route.fulfill(status=204))
    form.fill("#POSITIONS", TABLE)
    expect(form.locator("#picture-status")).to_have_text("There are no pixels here.")
    assert form.is_hidden("#picture")


# The same


def test_the_same_request_as_a_link_fills_the_form(form: Page, service_url: str) -> None:
    form.fill("#POSITIONS", TABLE)
    form.fill("#JOBNAME", "it's mine & so on")
    form.fill("#XSIZE", "0.4")
    form.check("#MAKE_RGB_LUPTON")
    form.click("#same summary")
    expect(form.locator("#address")).to_contain_text(f"{service_url}/?RELEASE=TEST1")
    curl = form.inner_text("#curl")
    assert "--form-string 'JOBNAME=it'\\''s mine & so on'" in curl
    assert curl.startswith(f"cat > positions.csv <<'END'\n{TABLE}END\n")
    assert '"XSIZE": "0.4",' in form.inner_text("#python")
    compile(form.inner_text("#python"), "python", "exec")
    again = opened(form, service_url, form.inner_text("#address").removeprefix(f"{service_url}/"))
    assert again.input_value("#POSITIONS") == TABLE
    assert again.input_value("#JOBNAME") == "it's mine & so on"
    assert again.is_checked("#MAKE_RGB_LUPTON")


def test_a_snippet_is_copied(form: Page) -> None:
    form.context.grant_permissions(["clipboard-read", "clipboard-write"])
    form.click("#same summary")
    expect(form.locator("#address")).not_to_be_empty()
    form.click('[data-copies="address"]')
    expect(form.locator('[data-copies="address"]')).to_contain_text("Copied")
    assert form.evaluate("navigator.clipboard.readText()") == form.inner_text("#address")


# Without scripts


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
def test_the_form_is_accessible_while_it_is_used(form: Page, width: int, scheme: str) -> None:
    form.set_viewport_size({"width": width, "height": 900})
    form.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two words
    form.fill("#POSITIONS", FAULTY)
    for summary in ("#same summary", ".more summary"):
        form.click(summary)
    press_bands(form, LUPTON, "z", "r", "g")
    settled(form, "faulty")
    form.wait_for_selector("#picture:not(.old)[src]")
    assert_accessible(form)
    assert form.evaluate("document.documentElement.scrollWidth") <= width
