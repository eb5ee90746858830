"""Take a screenshot of each page of the demonstration for docs/screenshots: `make screenshots`.

Needs the dev extra and Chromium.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import requests
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from soda_service.demo.run import EXAMPLE_OPTIONS, EXAMPLE_TABLE
from tests.e2e.service_process import started

FOLDER = Path(__file__).parent / "screenshots"
_COLOURS = 96
"""Colours per picture: enough for these pages, at a third of the bytes."""

_WIDTHS = (1400, 390)


@dataclass(frozen=True)
class Shot:
    """A page to take a screenshot of."""

    name: str
    path: str
    """Path below the service's address; `{job}` stands for the job's id."""

    prepare: Callable[[Page], None] = lambda _page: None
    """Function that brings the page into the state to show."""

    is_dark: bool = False


def _map_ready(page: Page) -> None:
    page.wait_for_selector("#sky[data-ready]")


def _open_picture(page: Page) -> None:
    page.locator(".gallery a, .gallery button").first.click()
    page.wait_for_selector("dialog[open]")


_FILLED = "/?RELEASE=DR1&MAKE_RGB_LUPTON=true&POSITIONS=" + quote(
    "RA,DEC,name\n21.58813,3.48611,first\n46.275669,-34.256,second\n"
)
SHOTS = (
    Shot("new", "/"),
    Shot("new-filled", _FILLED),
    Shot("jobs", "/jobs"),
    Shot("job", "/jobs/{job}"),
    Shot("job-dark", "/jobs/{job}", is_dark=True),
    Shot("picture", "/jobs/{job}", prepare=_open_picture),
    Shot("sky", "/sky", prepare=_map_ready),
    Shot("help", "/help"),
)


def main() -> None:
    """Take all screenshots, or those of the pages named by arguments."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("no Chromium found on this machine")
    wanted = [shot for shot in SHOTS if not sys.argv[1:] or shot.name in sys.argv[1:]]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "soda_service"]
        # The real program, on a temporary folder.
        subprocess.run([*command, "demo", "--prepare", "--data", str(data)], check=True)  # noqa: S603
        serve = [*command[1:], "serve", "--data", str(data), "--port", "0"]
        with started(serve, Path(folder) / "log") as service, sync_playwright() as playwright:
            base = f"http://{service.address}"
            job = _run_job(base)
            _run_others(base)
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            for shot in wanted:
                for width in _WIDTHS:
                    _take(browser, base, job, shot, width)
            browser.close()
            service.stop()


def _run_job(base: str) -> str:
    """Run the example; return the id of its job."""
    form = {**EXAMPLE_OPTIONS, "POSITIONS": EXAMPLE_TABLE, "PHASE": "RUN", "JOBNAME": "First light"}
    job = requests.post(f"{base}/async", data=form, allow_redirects=False, timeout=60)
    address = job.headers["Location"]
    while requests.get(f"{address}/phase", timeout=60).text in ("QUEUED", "EXECUTING"):
        requests.get(address, params={"WAIT": "30"}, timeout=60)
    return address.rpartition("/")[2]


def _run_others(base: str) -> None:
    """Add more jobs to the list: some done, one stopped, one not started."""
    place = {"RA": "21.58813", "DEC": "3.48611"}
    for name in ("NGC 514, all bands", "Training set 7"):
        requests.post(
            f"{base}/async", data=place | {"JOBNAME": name, "PHASE": "RUN"}, timeout=60
        ).raise_for_status()
    for name, action in (("Wrong field", "abort"), ("For tomorrow", "")):
        made = requests.post(
            f"{base}/async", data=place | {"RUNID": name}, allow_redirects=False, timeout=60
        )
        if action:
            requests.post(f"{made.headers['Location']}/phase", data={"PHASE": "ABORT"}, timeout=60)


def _take(browser: Browser, base: str, job: str, shot: Shot, width: int) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 844 if width < 500 else 900},
        color_scheme="dark" if shot.is_dark else "light",
        reduced_motion="reduce",
    )
    page.goto(base + shot.path.format(job=job))
    shot.prepare(page)
    page.wait_for_timeout(1000)  # for pictures that are loaded when they come into sight
    content = page.screenshot(full_page=width > 500 and shot.name not in ("picture", "help"))
    picture = Image.open(io.BytesIO(content)).convert("RGB").quantize(_COLOURS)
    path = FOLDER / f"{shot.name}-{width}.png"
    picture.save(path, optimize=True)
    print(f"{path.relative_to(FOLDER.parent)} {path.stat().st_size}")  # noqa: T201 - a command
    page.close()


if __name__ == "__main__":
    main()
