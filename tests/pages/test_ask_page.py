"""The form of new cutouts, in a browser."""

import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.cutout_client import finished
from tests.pages.accessibility import assert_accessible
from tests.synthetic import DEC_DEG, RA_DEG

pytestmark = pytest.mark.xdist_group("browser")

GOOD = f"RA,DEC\n{RA_DEG},{DEC_DEG}\n"


@pytest.fixture
def form(page: Page, service_url: str) -> Page:
    page.goto(service_url)
    page.wait_for_selector("#ask[data-ready]")
    return page


def state(page: Page, text: str) -> None:
    expect(page.locator("#state")).to_contain_text(text)


# Positions


def test_an_example_is_ready_to_be_sent(form: Page, service_url: str) -> None:
    state(form, "Give positions")
    form.get_by_role("button", name="Try an example").click()
    state(form, "Ready to be sent.")
    expect(form.locator("[data-found=rows]")).to_have_text("2 of 2 lie in a tile")
    expect(form.locator("[data-found=tiles]")).to_have_text(re.compile("EAST"))
    form.get_by_role("button", name="Cut", exact=True).click()
    form.wait_for_url(re.compile(rf"{service_url}/jobs/[0-9a-f]{{32}}$"))
    done = finished(form.url.replace("/jobs/", "/async/"))
    assert [row["STATUS"] for row in done.summary["cutouts"]] == ["ok", "ok"]


def test_faults_are_marked_by_row_while_typing(form: Page) -> None:
    table = form.locator("#positions")
    table.fill(f"RA,DEC,XSIZE\n{RA_DEG},{DEC_DEG},1\n{RA_DEG},{DEC_DEG},99\n200,45,1\n")
    state(form, "One thing is wrong.")
    marks = form.locator("#marks li")
    expect(marks).to_have_count(2)
    expect(marks.first).to_contain_text("row 2, XSIZE: '99' is out of range")
    expect(marks.nth(1)).to_contain_text("row 3: no tile of release TEST1")
    expect(table).to_have_attribute("aria-invalid", "true")
    marks.first.get_by_role("button").click()
    chosen = table.evaluate("t => t.value.slice(t.selectionStart, t.selectionEnd)")
    assert chosen == f"{RA_DEG},{DEC_DEG},99"
    assert_accessible(form)
    table.fill(GOOD)
    state(form, "Ready to be sent.")
    expect(table).not_to_have_attribute("aria-invalid", "true")


@pytest.mark.parametrize(
    ("pasted", "table"),
    [
        ("30.0 -20.0\n30.001\t-20.001\n", "RA,DEC\n30.0,-20.0\n30.001,-20.001\n"),
        ("30.0, -20", "RA,DEC\n30.0,-20\n"),
        ("02:00:00.0 -20:00:00", "RA,DEC\n30,-20\n"),
        ("02 00 00 -20 00 00.0\n", "RA,DEC\n30,-20\n"),
        ("2h0m0s -20d0m0s\n01:26:21.15, +03:29:09.9", "RA,DEC\n30,-20\n21.588125,3.4860833\n"),
        ("00:00:01 -00:30:00", "RA,DEC\n0.0041667,-0.5\n"),
    ],
)
def test_lines_of_positions_become_a_table(form: Page, pasted: str, table: str) -> None:
    box = form.locator("#positions")
    box.fill(pasted)
    box.blur()
    expect(box).to_have_value(table)
    form.get_by_role("button", name="Undo").click()
    expect(box).to_have_value(pasted)


@pytest.mark.parametrize("text", [GOOD, "30 -20 1.5\n", "02:61:00 -20:00:00", "M31", "x,y\n1,2\n"])
def test_other_text_stays_as_it_is(form: Page, text: str) -> None:
    box = form.locator("#positions")
    box.fill(text)
    box.blur()
    expect(box).to_have_value(text)


def test_a_file_takes_the_place_of_the_text(form: Page, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(GOOD)
    form.locator("#file").set_input_files(tmp_path / "mine.csv")
    state(form, "Ready to be sent.")
    expect(form.locator("#positions")).to_be_disabled()
    form.get_by_role("button", name="Cut", exact=True).click()
    form.wait_for_url(re.compile("/jobs/"))
    assert finished(form.url.replace("/jobs/", "/async/")).summary["cutouts"][0]["STATUS"] == "ok"


def test_positions_are_picked_on_the_sky(form: Page) -> None:
    form.get_by_role("button", name="Pick on the sky").click()
    sky = form.locator("#sky")
    expect(sky).to_be_visible()
    expect(form.locator("#sky-told")).to_be_visible()
    assert_accessible(form)
    sky.click(position={"x": 300, "y": 200})
    expect(form.locator("#sky-told")).to_contain_text("was added")
    form.get_by_role("button", name="Done").click()
    expect(form.locator("#positions")).to_have_value(re.compile(r"^RA,DEC\n[\d.]+,-?[\d.]+\n$"))


# Bands and pictures


def test_bands_are_buttons(form: Page) -> None:
    bands = form.get_by_role("group", name="Bands of FITS files")
    expect(bands.get_by_label("i", exact=True)).to_be_checked()
    bands.get_by_label("g", exact=True).check()
    bands.get_by_label("Y", exact=True).check()
    expect(form.locator("#f-COLORS_FITS")).to_have_value("giY")
    bands.get_by_label("i", exact=True).press("Space")
    expect(form.locator("#f-COLORS_FITS")).to_have_value("gY")


def test_a_triplet_is_three_different_bands_in_order(form: Page) -> None:
    field = form.locator("#f-RGB_LUPTON_COLORS")
    group = form.locator("#f-RGB_LUPTON_COLORS + div")
    add = group.get_by_role("button", name="Add picture")
    expect(add).to_be_disabled()
    for band in ("z", "r", "g"):
        group.get_by_role("checkbox", name=re.compile(f"^{band}")).check()
    expect(group.get_by_role("checkbox", name="z, R")).to_be_checked()
    expect(group.get_by_role("checkbox", name="g, B")).to_be_checked()
    expect(group.get_by_role("checkbox", name="i", exact=True)).to_be_disabled()
    group.get_by_role("checkbox", name="r, G").click()
    expect(group.get_by_role("checkbox", name="i", exact=True)).to_be_enabled()
    group.get_by_role("checkbox", name="i", exact=True).click()
    add.click()
    expect(field).to_have_value("irg;zgi")
    for band in ("z", "g", "i"):
        group.get_by_role("checkbox", name=re.compile(f"^{band}")).check()
    expect(group.get_by_role("button", name="There already")).to_be_disabled()
    group.get_by_role("button", name="Leave out irg").click()
    expect(field).to_have_value("zgi")


def test_pictures_are_previewed_with_their_settings(form: Page) -> None:
    form.locator("#positions").fill(GOOD)
    expect(form.locator("#preview")).to_be_hidden()
    form.get_by_label("Colour pictures, Lupton").check()
    image = form.locator("#previews img")
    expect(image).to_have_count(1)
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth") > 0
    form.get_by_label("Stretch", exact=True).fill("5")
    expect(image).to_have_attribute("src", re.compile("RGB_STRETCH=5(&|$)"))
    form.get_by_label("Colour pictures, STIFF").check()
    expect(image).to_have_count(2)


# Sending


def test_the_same_request_as_curl_python_and_link(
    form: Page, service_url: str, tmp_path: Path
) -> None:
    form.locator("#positions").fill(GOOD)
    form.get_by_label("Colour pictures, STIFF").check()
    form.get_by_label("Width, arcmin").fill("0.5")
    form.get_by_label("Name", exact=True).fill("It's mine")
    snippet = form.locator("#snippet")
    expect(snippet).to_contain_text("JOBNAME")
    shell = ["bash", "-euo", "pipefail", "-c", snippet.inner_text()]
    url = subprocess.run(shell, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    by_curl = finished(url.strip())
    form.get_by_role("tab", name="Python").click()
    expect(snippet).to_contain_text("import pyvo")
    told = subprocess.run([sys.executable, "-c", snippet.inner_text()], cwd=tmp_path, check=True,
                          capture_output=True, text=True).stdout  # fmt: skip
    assert told.startswith("COMPLETED ['http")
    by_python = finished(re.findall(r"'(http.*?)/results", told)[0])
    for job in (by_curl, by_python):
        (row,) = job.summary["cutouts"]
        assert (row["STATUS"], row["XSIZE"], row["YSIZE"], row["MAKE_RGB_STIFF"]) == (
            "ok", 0.5, 0.5, 1.0,
        )  # fmt: skip
        assert job.summary["options"]["jobname"] == "It's mine"
    form.get_by_role("tab", name="Link").click()
    expect(snippet).to_contain_text(f"{service_url}/?")
    form.goto(snippet.inner_text())
    expect(form.locator("#positions")).to_have_value(GOOD)
    expect(form.get_by_label("Name", exact=True)).to_have_value("It's mine")
    expect(form.get_by_label("Colour pictures, STIFF")).to_be_checked()


def test_a_job_is_repeated_with_its_table(form: Page, service_url: str) -> None:
    form.locator("#positions").fill(GOOD)
    form.get_by_role("button", name="Cut", exact=True).click()
    form.wait_for_url(re.compile("/jobs/"))
    form.get_by_role("link", name="Repeat with changes").click()
    expect(form.locator("#positions")).to_have_value(GOOD)
    assert urlsplit(form.url).query.startswith("from=")
    assert form.url.startswith(service_url)


def test_without_scripts_a_form_is_sent_and_comes_back(browser: Browser, service_url: str) -> None:
    with closing(browser.new_context(java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(service_url)
        page.get_by_label("Positions", exact=True).fill("RA,DEC,XSIZE\n30,-20,99\n")
        page.get_by_label("Bands of FITS files", exact=True).fill("gr")
        page.get_by_role("button", name="Cut", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("out of range")
        expect(page.get_by_label("Bands of FITS files", exact=True)).to_have_value("gr")
        page.get_by_label("Positions", exact=True).fill(GOOD)
        page.get_by_role("button", name="Cut", exact=True).click()
        page.wait_for_url(re.compile("/jobs/"))
        done = finished(page.url.replace("/jobs/", "/async/"))
    assert len(done.summary["cutouts"][0]["FILES"]) == 2
    assert requests.get(done.url, timeout=60).status_code == 200
