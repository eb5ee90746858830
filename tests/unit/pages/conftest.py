"""The web application in the test's own process, as the tests of its routes have it."""

from tests.unit.web.conftest import data, open_client

__all__ = ["data", "open_client"]
