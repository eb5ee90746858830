"""What many tests need: a real service on a small survey, and the official schemas."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from soda_service.startup import choose_loops

if TYPE_CHECKING:
    from tests.postgres import PostgresServer

# Before tests are collected, some of which are for the compiled loops alone.
choose_loops()

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _close_databases() -> Iterator[None]:
    """Close the databases that a test used: applications and runtimes have no end that would.

    From Python 3.13 on an SQLite connection that is left open is warned of when it is collected,
    in whatever test that happens.
    """
    engines: set[sa.Engine] = set()

    def remember(connection: sa.Connection) -> None:
        engines.add(connection.engine)

    sa.event.listen(sa.Engine, "engine_connect", remember)
    yield
    sa.event.remove(sa.Engine, "engine_connect", remember)
    for engine in engines:
        engine.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator["PostgresServer"]:
    """Give a PostgreSQL server; tests that use it are of the xdist group `postgres`."""
    from tests.postgres import started_postgres

    with started_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: "PostgresServer") -> str:
    """Give the address of an empty PostgreSQL database."""
    from tests.postgres import empty_database

    return empty_database(postgres_server)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of real images and schemas beside the project, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("real images and schemas are not there: no folder `shared` beside the project")
    return SHARED


@pytest.fixture(scope="session")
def validate_xml(shared: Path) -> Callable[[bytes], None]:
    """Give a function that fails where a document is not valid against its official schema."""
    from lxml import etree

    validator = _load(shared / "schemas" / "validate.py")
    schema = validator.load_schema()

    def validate(document: bytes) -> None:
        assert validator.errors(etree.fromstring(document).getroottree(), schema) == []

    return validate


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data directory with the small survey of `synthetic`."""
    from tests.synthetic import make_survey

    data = tmp_path_factory.mktemp("survey")
    make_survey(data)
    return data


@pytest.fixture(scope="session")
def service_url(survey: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a real service (queue server, workers, web) on the small survey."""
    from tests.e2e.service_process import started

    log = tmp_path_factory.mktemp("log") / "serve.log"
    command = ["-m", "soda_service", "serve", "--data", str(survey), "--port", "0"]
    with started([*command, "--workers", "2"], log) as service:
        yield f"http://{service.address}"
        service.stop()
