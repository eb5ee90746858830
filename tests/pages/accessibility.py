"""What axe-core finds wrong with a page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


def assert_accessible(page: Page) -> None:
    """Fail where the page, as it is now, breaks a rule of WCAG 2.1 A or AA."""
    found = Axe().run(page, options=_RULES).response["violations"]
    told = [
        f"{rule['id']}: {rule['help']}: {[node['html'][:150] for node in rule['nodes'][:3]]}"
        for rule in found
    ]
    assert not told, "\n".join(told)
