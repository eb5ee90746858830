"""The list of jobs and the page of a job, in a browser."""

import re
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import requests
from playwright.sync_api import Browser, Page, Route, expect

from tests.cutout_client import run, submit, wait
from tests.pages.accessibility import assert_accessible
from tests.synthetic import DEC_DEG, RA_DEG

pytestmark = pytest.mark.xdist_group("browser")

ROWS = f"RA,DEC,COLORS_FITS\n{RA_DEG},{DEC_DEG},g\n200,45,g\n{RA_DEG},{DEC_DEG + 0.003},g\n"
HUB_PORT = 21012


@pytest.fixture(scope="module")
def job_id(service_url: str) -> str:
    """Run a job of three rows, one of them elsewhere."""
    done = run(service_url, POSITIONS=ROWS, JOBNAME="Browser", MAKE_RGB_LUPTON="true")
    return done.url.rpartition("/")[2]


@pytest.fixture
def shown(page: Page, service_url: str, job_id: str) -> Page:
    page.goto(f"{service_url}/jobs/{job_id}")
    return page


# The page of a job


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_the_page_is_accessible(shown: Page, width: int, scheme: str) -> None:
    shown.set_viewport_size({"width": width, "height": 900})
    shown.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two words
    expect(shown.locator(".cell")).to_have_count(3)
    assert_accessible(shown)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    shown.locator(".cell").first.click()
    assert_accessible(shown)


def test_the_gallery_shows_every_row_and_its_pictures(shown: Page) -> None:
    cells = shown.locator(".cell")
    expect(cells).to_have_count(3)
    expect(cells.nth(1)).to_contain_text("unmatched")
    picture = cells.first.locator("img")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_the_lightbox_goes_by_keys(shown: Page) -> None:
    shown.locator(".cell").first.click()
    light, title = shown.locator("#lightbox"), shown.locator("#light-title")
    expect(light).to_be_visible()
    expect(title).to_contain_text("Row 1")
    image = shown.locator("#light-image")
    expect(image).to_have_attribute("src", re.compile(r"_lupton\.png$"))
    expect(shown.locator("#light-files a")).to_have_count(4)
    shown.keyboard.press("ArrowRight")
    expect(title).to_contain_text("Row 2")
    expect(image).to_be_hidden()
    expect(shown.locator("#light-text")).to_contain_text("no tile of release TEST1")
    shown.keyboard.press("End")
    expect(title).to_contain_text("Row 3")
    shown.keyboard.press("ArrowRight")
    expect(title).to_contain_text("Row 3")
    shown.keyboard.press("Home")
    expect(title).to_contain_text("Row 1")
    shown.keyboard.press("Escape")
    expect(light).to_be_hidden()
    expect(shown.locator(".cell").first).to_be_focused()


def test_rows_are_chosen_by_status(shown: Page) -> None:
    shown.get_by_role("link", name="1 unmatched").click()
    expect(shown.locator(".table tbody tr")).to_have_count(1)
    expect(shown.locator(".cell")).to_have_count(1)


def test_a_job_is_renamed_on_its_page(shown: Page) -> None:
    shown.locator(".rename summary").click()
    shown.get_by_label("Name").fill("Browser 2")
    shown.get_by_role("button", name="Save").click()
    expect(shown.locator("h1")).to_have_text("Browser 2")


def test_a_page_follows_its_job_to_the_end(page: Page, service_url: str) -> None:
    created = requests.post(
        f"{service_url}/async",
        data={"RA": str(RA_DEG), "DEC": str(DEC_DEG)},
        timeout=60,
        allow_redirects=False,
    )
    url = created.headers["Location"]
    page.goto(f"{service_url}/jobs/{url.rpartition('/')[2]}")
    expect(page.locator("#live .phase")).to_have_text(re.compile("not started"))
    requests.post(f"{url}/phase", data={"PHASE": "RUN"}, timeout=60)
    expect(page.locator("#live .phase")).to_have_text(re.compile("done"), timeout=30_000)
    expect(page.locator(".cell")).to_have_count(1)
    expect(page.get_by_role("link", name="All files, tar.gz")).to_be_visible()


def test_deleting_is_asked_about(page: Page, service_url: str) -> None:
    url = submit(service_url, RA="1", DEC="1", JOBNAME="doomed").headers["Location"]
    wait(url)
    page.goto(f"{service_url}/jobs/{url.rpartition('/')[2]}")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Delete this job").click()
    assert requests.get(url, timeout=60).status_code == 200
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete this job").click()
    page.wait_for_url(f"{service_url}/jobs")
    assert requests.get(url, timeout=60).status_code == 404


# SAMP


class Hub(BaseHTTPRequestHandler):
    """A SAMP hub with one client, as far as the Web Profile's pages see it."""

    calls: list[str]
    """Set by the test: what was asked."""

    clients = "<member><name>c1</name><value><struct></struct></value></member>"

    def _allow(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "Content-Type")

    def do_OPTIONS(self) -> None:
        self.send_response(200)
        self._allow()
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.calls.append(body)
        content = ""
        if "samp.webhub.register<" in body:
            content = "<member><name>samp.private-key</name><value>key-7</value></member>"
        elif "getSubscribedClients" in body:
            content = self.clients
        answer = (
            "<methodResponse><params><param><value><struct>"
            f"{content}</struct></value></param></params></methodResponse>"
        ).encode()
        self.send_response(200)
        self._allow()
        self.send_header("Content-Type", "text/xml")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    class ThisHub(Hub):
        calls: list[str] = []  # noqa: RUF012 - of this test alone

    try:
        server = ThreadingHTTPServer(("127.0.0.1", HUB_PORT), ThisHub)
    except OSError:
        pytest.skip(f"port {HUB_PORT}, the only one of SAMP's Web Profile, is taken")
    with closing(server.socket):
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield ThisHub
        server.shutdown()
        thread.join()


def test_the_table_is_sent_to_other_programs(
    shown: Page, service_url: str, job_id: str, hub: type[Hub]
) -> None:
    shown.get_by_role("button", name="Send the table to TOPCAT").click()
    expect(shown.locator("#samp-status")).to_have_text("Sent to 1 program.")
    methods = [re.findall(r"<methodName>samp\.webhub\.(\w+)", call)[0] for call in hub.calls]
    assert methods == ["register", "declareMetadata", "getSubscribedClients", "notifyAll",
                       "unregister"]  # fmt: skip
    message = hub.calls[3]
    assert "<string>key-7</string>" in message
    assert "table.load.votable" in message
    assert f"{service_url}/async/{job_id}/results/manifest" in message


def test_images_are_sent_and_a_hub_without_clients_is_told(shown: Page, hub: type[Hub]) -> None:
    shown.get_by_role("button", name="Send the images to Aladin").click()
    expect(shown.locator("#samp-status")).to_have_text("Sent to 1 program.")
    sent = [call for call in hub.calls if "notifyAll" in call]
    assert all("image.load.fits" in call and "_g.fits" in call for call in sent[:1])
    assert len(sent) > 1
    hub.clients = ""
    shown.get_by_role("button", name="Send the images to Aladin").click()
    expect(shown.locator("#samp-status")).to_contain_text("No program on the SAMP hub")


# The list


def test_the_list_is_accessible_and_live(page: Page, service_url: str) -> None:
    created = requests.post(
        f"{service_url}/async",
        data={"RA": str(RA_DEG), "DEC": str(DEC_DEG), "RUNID": "watched"},
        timeout=60,
        allow_redirects=False,
    )
    url = created.headers["Location"]
    page.goto(f"{service_url}/jobs")
    assert_accessible(page)
    row = page.locator(f'tr[data-job="{url.rpartition("/")[2]}"]')
    expect(row).to_contain_text("not started")
    requests.post(f"{url}/phase", data={"PHASE": "RUN"}, timeout=60)
    expect(row.locator(".phase")).to_have_text(re.compile("done"), timeout=30_000)
    requests.delete(url, timeout=60)
    expect(row).to_have_count(0, timeout=30_000)


def test_several_jobs_are_deleted_after_a_question(page: Page, service_url: str) -> None:
    urls = [submit(service_url, RA="1", DEC="1", JOBNAME="several").headers["Location"]
            for _ in range(2)]  # fmt: skip
    for url in urls:
        wait(url)
    page.goto(f"{service_url}/jobs?q=several")
    expect(page.locator("tr[data-job]")).to_have_count(2)
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Delete selected").click()
    expect(page.locator("#sure")).to_contain_text("These 2 jobs")
    page.get_by_role("button", name="Keep").click()
    assert {requests.get(url, timeout=60).status_code for url in urls} == {200}
    page.get_by_role("button", name="Delete selected").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("No matching jobs.")).to_be_visible()
    assert {requests.get(url, timeout=60).status_code for url in urls} == {404}


def test_each_deletion_asks_again_though_one_was_stopped(page: Page, service_url: str) -> None:
    """service F10: an answer holds for one request (smgdkngt/dobase 119)."""
    name = "asked each time"
    urls = [submit(service_url, RA="1", DEC="1", JOBNAME=name).headers["Location"] for _ in "ab"]
    for url in urls:
        wait(url)
    page.goto(f"{service_url}/jobs?q=asked+each+time")
    stopped: list[str] = []

    def stop(route: Route) -> None:
        stopped.append(route.request.post_data or "")
        route.abort("aborted")  # as Escape does: the page stays

    page.route("**/jobs", stop)
    boxes = page.locator('input[name="id"]')
    boxes.nth(0).check()
    page.get_by_role("button", name="Delete selected").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.wait_for_timeout(500)
    assert ["confirmed=1" in sent for sent in stopped] == [True]
    page.unroute("**/jobs")
    boxes.nth(1).check()
    page.get_by_role("button", name="Delete selected").click()
    expect(page.locator("#sure")).to_contain_text("These 2 jobs")
    assert {requests.get(url, timeout=60).status_code for url in urls} == {200}


def test_a_job_is_renamed_in_the_list(page: Page, service_url: str) -> None:
    url = submit(service_url, RA="1", DEC="1", JOBNAME="old name").headers["Location"]
    wait(url)
    page.goto(f"{service_url}/jobs?q={url.rpartition('/')[2]}")
    page.get_by_role("button", name="Rename old name").click()
    assert_accessible(page)
    page.get_by_label("Name", exact=True).fill("new name")
    page.get_by_role("button", name="Save").click()
    expect(page.locator('[data-part="name"]')).to_have_text("new name")
    page.reload()
    expect(page.locator('[data-part="name"]')).to_have_text("new name")


def test_what_is_not_there_is_told_by_a_page(page: Page, service_url: str) -> None:
    answer = requests.get(
        f"{service_url}/jobs/{'0' * 32}", headers={"Accept": "text/html"}, timeout=60
    )
    assert answer.status_code == 404
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page.goto(f"{service_url}/jobs?q=x&page=2")
    page.set_content(answer.text)
    expect(page.locator("h1")).to_have_text("Not found")
    as_text = requests.get(f"{service_url}/jobs/{'0' * 32}", timeout=60)
    assert as_text.text == f"UsageError: no job {'0' * 32}\n"


def test_positions_of_a_job_are_on_the_sky(page: Page, service_url: str, job_id: str) -> None:
    page.goto(f"{service_url}/sky?job={job_id}")
    expect(page.locator("#sky")).to_have_attribute("data-positions", "3")
    expect(page.locator("#sky")).to_have_attribute("aria-label", re.compile("3 positions of a job"))


def test_columns_sort_alone_and_together(page: Page, service_url: str, job_id: str) -> None:
    page.goto(f"{service_url}/jobs?q={job_id}")
    page.get_by_role("link", name="Name", exact=True).click()
    expect(page).to_have_url(re.compile("order=name"))
    page.get_by_role("link", name="Rows", exact=True).click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile("order=name%2C-items"))
    expect(page.locator('th[aria-sort="descending"]')).to_contain_text("Rows")


# Without scripts


def test_all_is_there_without_scripts(browser: Browser, service_url: str, job_id: str) -> None:
    with closing(browser.new_context(java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(f"{service_url}/jobs?q={job_id}")
        page.get_by_role("checkbox", name=re.compile("^Select")).check()
        page.get_by_role("button", name="Delete selected").click()
        expect(page.locator("h1")).to_have_text("Delete this job?")
        page.get_by_role("link", name="Keep").click()
        page.locator('a[data-part="name"]').click()
        expect(page.locator(".table tbody tr")).to_have_count(3)
        archive = page.get_by_role("link", name="All files, tar.gz").get_attribute("href")
        assert archive is not None
        assert requests.get(archive, timeout=60).content[:2] == b"\x1f\x8b"
        page.get_by_role("button", name="Create a link to share").click()
        link = page.get_by_label("Link").input_value()
        page.goto(link)
        expect(page.locator(".table tbody tr")).to_have_count(3)
