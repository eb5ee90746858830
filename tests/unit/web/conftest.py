"""The web application in the test's own process, on releases whose tiles need no pixels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from soda_service.app import create_app
from soda_service.config.load import load_config
from soda_service.sky.releases import write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from soda_service.worker import prepare
from tests.synthetic import RELEASE

CORNERS = ((30.1, -20.1), (29.9, -20.1), (29.9, -19.9), (30.1, -19.9))

Open = Callable[..., FlaskClient]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a data directory with one release of one tile, whose file in band g is there."""
    root, folder = tmp_path / "tiles", tmp_path / "releases"
    folder.mkdir()
    (root / "EAST/p01").mkdir(parents=True)
    (root / "EAST/p01/EAST_g.fits.fz").write_bytes(b"SIMPLE")
    write_release(replace(RELEASE, root=str(root)), folder / "test1.toml")
    write_tiles(table_path(folder, RELEASE.name), [TileRow("EAST", 30.0, -20.0, corners=CORNERS)])
    return tmp_path


@pytest.fixture
def open_client(data: Path) -> Open:
    """Give what makes the application with settings of `[web]`."""

    def make(**web: object) -> FlaskClient:
        queue = {"url": "redis://127.0.0.1:1/0"}  # nobody listens there
        config = load_config(None, data, overrides={"web": web, "queue": queue}, environ={})
        prepare(config)
        return create_app(config).test_client()

    return make
