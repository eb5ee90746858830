"""Both servers, running; a test that takes `target` is of both, `toy` or `cutout` of one."""

from collections.abc import Callable, Iterator

import pytest

from tests.contract.rules.targets import Target, Toy, cutout_target, toy_target
from tests.contract.rules.toy_server import open_parts
from tests.e2e.service_process import started
from uws.service import JobService

TOY = pytest.param("toy", marks=pytest.mark.xdist_group("rules"))
CUTOUT = pytest.param("cutout", marks=pytest.mark.xdist_group("service"))


@pytest.fixture(scope="session")
def check_xml(request: pytest.FixtureRequest) -> Callable[[bytes], None]:
    """Give a check against the official schemas, which does nothing where they are not there.

    Only one test is skipped then, instead of every one that meets a document.
    """
    try:
        check: Callable[[bytes], None] = request.getfixturevalue("validate_xml")
    except pytest.skip.Exception:
        return lambda _document: None
    return check


@pytest.fixture(scope="session")
def toy_server(
    tmp_path_factory: pytest.TempPathFactory, check_xml: Callable[[bytes], None]
) -> Iterator[Toy]:
    """Give the toy server."""
    folder = tmp_path_factory.mktemp("toy")
    command = ["-m", "tests.contract.rules.toy_server", str(folder)]
    with started(command, folder / "serve.log") as server:
        service = JobService(open_parts(folder))
        yield toy_target(f"http://{server.address}", check_xml, service)


@pytest.fixture(scope="session")
def cutout_server(service_url: str, check_xml: Callable[[bytes], None]) -> Target:
    """Give the cutout service."""
    return cutout_target(service_url, check_xml)


@pytest.fixture(params=[TOY])
def toy(request: pytest.FixtureRequest) -> Iterator[Toy]:
    """Give the toy server; what a test makes there is removed after it."""
    server: Toy = request.getfixturevalue("toy_server")
    yield server
    server.forget()


@pytest.fixture(params=[CUTOUT])
def cutout(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Give the cutout service, likewise."""
    server: Target = request.getfixturevalue("cutout_server")
    yield server
    server.forget()


@pytest.fixture(params=[TOY, CUTOUT])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Give each server in turn, likewise."""
    server: Target = request.getfixturevalue(f"{request.param}_server")
    yield server
    server.forget()
