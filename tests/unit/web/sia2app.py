"""A small application with `/sia2` alone, on three tiles; and what reads its answers."""

import io
import warnings
from dataclasses import replace
from pathlib import Path

from astropy.io.votable import parse
from astropy.io.votable.tree import VOTableFile
from flask import Flask, Response

from soda_service.config.model import Config, Sia2Config
from soda_service.sky.outlines import tan_corners
from soda_service.sky.release import Band, Release
from soda_service.sky.releases import Releases, write_release
from soda_service.sky.table import TileRow, table_path, write_tiles
from soda_service.web.sia2 import create_sia2
from tests.services import services_for
from uws.errors import UWSError
from uws.http import responses

BASE = "https://example.org/cutouts"
XML = "application/x-votable+xml"
BANDS = tuple(Band(name, (n + 4) * 1e-7, (n + 5) * 1e-7) for n, name in enumerate("griz"))
RELEASE = Release(
    name="DR1", title="", bands=BANDS, root="/nowhere", path_template="{tilename}_{band}.fits"
)


def tile(name: str, ra_deg: float, dec_deg: float) -> TileRow:
    corners = tan_corners(ra_deg, dec_deg, width_deg=1.0, height_deg=1.0)
    return TileRow(name, ra_deg, dec_deg, corners=tuple(map(tuple, corners.tolist())))


TILES = {
    "DR1": [tile("A+1", 10.0, 0.0), tile("B", 20.0, 0.0), tile("C", 30.0, 0.0)],
    "DR2": [tile("A+1", 10.0, 0.0)],
}


def app_on(folder: Path, base_url: str = BASE, **limits: int) -> Flask:
    app = Flask(__name__)
    releases = Releases([folder], authority="example.org")
    limits = {"rows_default": 10, "rows_max": 14} | limits
    config = replace(Config(), sia2=Sia2Config(**limits))
    services = services_for(releases=releases, config=config, base=base_url)
    app.register_blueprint(create_sia2(services))
    app.register_error_handler(UWSError, responses.uws_error)
    return app


A = [f"DR1?A+1/{band}" for band in "griz"]
A2 = [f"DR2?A+1/{band}" for band in "griz"]
B = [f"DR1?B/{band}" for band in "griz"]
"""Rows, without what all identifiers begin with."""


def write_releases(folder: Path) -> None:
    """Write two releases with tiles, and one without."""
    for name, tiles in TILES.items():
        write_release(replace(RELEASE, name=name), folder / f"{name.lower()}.toml")
        write_tiles(table_path(folder, name), tiles)
    write_release(replace(RELEASE, name="EMPTY"), folder / "empty.toml")


def read(answer: Response | bytes) -> VOTableFile:
    content = answer if isinstance(answer, bytes) else answer.data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return parse(io.BytesIO(content))


def images(answer: Response) -> list[str]:
    """List release, tile and band of the rows."""
    assert answer.status_code == 200, answer.text
    table = read(answer).get_first_table().to_table()
    return [text.removeprefix("ivo://example.org/") for text in table["obs_publisher_did"]]
