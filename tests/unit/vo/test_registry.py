"""Registry records: valid, whole, and refused while the settings lack what they need."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy_healpix import HEALPix
from click.testing import CliRunner
from lxml import etree

from soda_service.cli.main import main
from soda_service.config.model import ServiceConfig
from soda_service.errors import ConfigError
from soda_service.routes import offered_capabilities
from soda_service.sky.index import TileIndex
from soda_service.sky.releases import Releases
from soda_service.sky.table import read_tiles, table_path, write_tiles
from soda_service.vo.registry import Publishing, collection_record, moc_of, service_record
from tests.unit.web.sia2app import RELEASE, TILES, write_releases

SERVICE = ServiceConfig(
    title="Cutouts & pictures",
    authority="example.org",
    contact="help@example.org",
    contact_name="Help desk",
    publisher="Observatory",
    subjects="sky surveys, photometry",
)
WHEN = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
PUBLISHING = Publishing(SERVICE, "https://example.org/c", WHEN, offered_capabilities())
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


@pytest.fixture
def index(tmp_path: Path) -> TileIndex:
    write_tiles(table_path(tmp_path, "A"), TILES["DR1"])
    return TileIndex(read_tiles(table_path(tmp_path, "A")))


def cells(moc: str) -> set[int]:
    order, _, text = moc.partition("/")
    assert order == "6"
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def test_the_service_s_record(validate_xml: Callable[[bytes], None]) -> None:
    record = service_record(PUBLISHING)
    validate_xml(record)
    root = etree.fromstring(record)
    assert root.get(f"{XSI}type") == "vs:CatalogService"
    assert root.get("updated") == "2026-11-23T01:02:03Z"
    told = {
        "title": "Cutouts & pictures",
        "identifier": "ivo://example.org/cutouts",
        "curation/publisher": "Observatory",
        "curation/contact/name": "Help desk",
        "curation/contact/email": "help@example.org",
        "content/referenceURL": "https://example.org/c/",
    }
    assert {path: root.findtext(path) for path in told} == told
    assert [subject.text for subject in root.iterfind("content/subject")] == [
        "sky surveys", "photometry",
    ]  # fmt: skip
    sync = "capability[@standardID='ivo://ivoa.net/std/SODA#sync-1.0']/interface/accessURL"
    assert root.findtext(sync) == "https://example.org/c/sync"


def test_a_release_s_record(validate_xml: Callable[[bytes], None], index: TileIndex) -> None:
    release = replace(RELEASE, title="First", time_mjd=(56000.0, 57000.5))
    record = collection_record(PUBLISHING, release, index)
    validate_xml(record)
    root = etree.fromstring(record)
    assert root.get(f"{XSI}type") == "vs:DataResource"
    assert root.findtext("identifier") == "ivo://example.org/DR1"
    related = root.find("content/relationship/relatedResource")
    assert related is not None
    assert related.get("ivo-id") == "ivo://example.org/cutouts"
    assert root.findtext("coverage/temporal") == "56000.0 57000.5"
    spectral = [text.text for text in root.iterfind("coverage/spectral")]
    assert len(spectral) == 4
    # 400 to 500 nm are 3.10 to 2.48 eV.
    low, high = (float(number) / 1.602176634e-19 for number in str(spectral[0]).split())
    assert (low, high) == pytest.approx((2.4797, 3.0996), abs=1e-4)


def test_the_coverage_is_where_the_tiles_are(index: TileIndex) -> None:
    found = cells(moc_of(index))
    healpix = HEALPix(nside=64, order="nested")
    inside = [(10.0, 0.0), (20.4, 0.4), (29.6, -0.4)]
    for ra, dec in inside:
        assert int(healpix.lonlat_to_healpix(ra * u.deg, dec * u.deg)) in found
    ra, dec = healpix.healpix_to_lonlat(np.array(sorted(found)))
    near = np.abs(ra.to_value("deg")[:, None] - np.array([10, 20, 30]))
    assert (near.min(axis=1) < 1.3).all()
    assert (np.abs(dec.to_value("deg")) < 1.3).all()
    assert 6 <= len(found) <= 24  # three square degrees, of 0.84 each, and the edges


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"authority": "unregistered.invalid"}, "service.authority: not set"),
        ({"publisher": "", "contact": ""}, "service.publisher, service.contact: not set"),
        ({"contact_name": ""}, "service.contact_name: not set"),
    ],
)
def test_what_a_registry_demands_must_be_set(change: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Publishing(replace(SERVICE, **change), "https://example.org/c", WHEN)
    with pytest.raises(ConfigError, match=r"^web\.base_url: not set"):
        Publishing(SERVICE, "", WHEN)


def test_the_command_writes_all_records(
    tmp_path: Path, validate_xml: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "releases").mkdir()
    write_releases(tmp_path / "releases")
    assert Releases([tmp_path / "releases"]).default().name == "DR1"
    settings = {
        "SERVICE__AUTHORITY": "example.org",
        "SERVICE__PUBLISHER": "Observatory",
        "SERVICE__CONTACT": "https://example.org/help",
        "SERVICE__CONTACT_NAME": "Help desk",
        "WEB__BASE_URL": "https://example.org/c/",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"SODA_{name}", value)
    command = ["registry-record", "--data", str(tmp_path)]
    run = CliRunner().invoke(main, [*command, "--output", str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["DR1.xml", "DR2.xml", "service.xml"]
    for name in names:
        validate_xml((tmp_path / "out" / name).read_bytes())
    assert CliRunner().invoke(main, command).output.count("<ri:Resource") == 3
    monkeypatch.delenv("SODA_SERVICE__PUBLISHER")
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code != 0
    assert "service.publisher: not set" in refused.output
