"""What holds for all pages: no error in the console, accessible, light, in both colour schemes."""

import pytest
import requests
from playwright.sync_api import Page, Request

from soda_service.routes import ROUTES
from tests.pages.accessibility import assert_accessible

pytestmark = pytest.mark.xdist_group("browser")

PAGES = [*(route.menu[0] for route in ROUTES if route.menu), "/sky/aladin"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("path", PAGES)
def test_pages_are_accessible(
    page: Page, service_url: str, path: str, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two words
    page.goto(f"{service_url}{path}")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/sky/aladin"])
def test_pages_are_held_to_a_strict_policy(service_url: str, path: str) -> None:
    answer = requests.get(f"{service_url}{path}", timeout=60)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_the_first_page_is_light(page: Page, service_url: str) -> None:
    sent: list[Request] = []

    def note(request: Request) -> None:
        sent.append(request)

    page.on("requestfinished", note)
    page.goto(service_url)
    page.wait_for_load_state("networkidle")
    assert len(sent) > 1
    # As it travels: scripts and styles are packed.
    assert sum(request.sizes()["responseBodySize"] for request in sent) < 50_000
