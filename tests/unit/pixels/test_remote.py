import bz2
import gzip
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soda_service.config.model import RemoteConfig
from soda_service.errors import ConfigError, SourceUnavailable, TileUnreadable
from soda_service.pixels.objectstore import Address, Servers
from soda_service.pixels.remote import RemoteSource, open_remote, remote_identity
from soda_service.pixels.source import ByteSource
from tests.objectserver import Fault, FileServer, S3Server, started_s3

pytestmark = pytest.mark.xdist_group("servers")

NAME = "DES0126+0335 a%b.fits"
CONTENT = np.random.default_rng(4).bytes(300_000)
QUICK = RemoteConfig(connections=4, gap_bytes=100, retries=2)
IMPATIENT = RemoteConfig(timeout_s=1, retries=2)


def opened(path: str, settings: RemoteConfig = QUICK) -> ByteSource:
    return open_remote(path, Servers(settings))


def identity(path: str) -> str:
    return remote_identity(path, Servers(QUICK))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    folder = tmp_path / "served" / "a b"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(CONTENT)
    with FileServer(tmp_path / "served") as listening:
        yield listening


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with started_s3() as running:
        running.put("tiles")
        running.put("tiles", f"a b/{NAME}", CONTENT)
        running.put("tiles", "public.fits", CONTENT, is_public=True)
        yield running


@pytest.fixture
def _s3_known(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environ().items():
        monkeypatch.setenv(name, value)


def http(server: FileServer) -> str:
    return f"{server.url}/a%20b/DES0126%2B0335%20a%25b.fits"


def ranges(source: ByteSource, *pairs: tuple[int, int]) -> list[bytes]:
    starts, lengths = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    buffer, places = source.fetch(starts, lengths)
    whole = bytes(memoryview(buffer))
    found = zip(places.tolist(), lengths.tolist(), strict=True)
    return [whole[place : place + length] for place, length in found]


@pytest.mark.parametrize(
    "address",
    ["ftp://host/x", "https://", "s3:///x", "/data/x", "https://me:secret@host/x"],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigError, match="an address of tiles") as refusal:
        Address.parse(address)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "server", "key", "label"),
    [
        ("https://h:1/a%20b/c%2Bd+e.fits", "https://h:1", "a b/c+d+e.fits", "c+d+e.fits"),
        ("s3://bucket/a b/c%2B+d.fits", "s3://bucket", "a b/c%2B+d.fits", "c%2B+d.fits"),
        ("s3://bucket", "s3://bucket", "", ""),
    ],
    ids=["https", "s3", "bucket"],
)
def test_addresses(url: str, server: str, key: str, label: str) -> None:
    address = Address.parse(url)
    assert (address, address.label) == (Address(server, key), label)


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("404", TileUnreadable, "no such file"),
        ("401", SourceUnavailable, "its server refuses access"),
        ("403", SourceUnavailable, "its server refuses access"),
        ("429", SourceUnavailable, "its server cannot be reached"),
        ("500", SourceUnavailable, "its server cannot be reached"),
        ("503", SourceUnavailable, "its server cannot be reached"),
        ("cut", SourceUnavailable, "its server cannot be reached"),
        ("hang-up", SourceUnavailable, "its server cannot be reached"),
        ("slow", SourceUnavailable, "its server cannot be reached"),
        ("whole", TileUnreadable, "its server sends whole files only (no HTTP ranges)"),
    ],
)
def test_what_goes_wrong_at_a_server(
    server: FileServer,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    error: type[Exception],
    message: str,
) -> None:
    server.has_etags = False  # with one, the rest of an answer that was cut off is asked for
    server.always = fault
    settings = replace(IMPATIENT, retries=1) if fault == "slow" else QUICK
    caplog.set_level(logging.INFO)
    with pytest.raises(error) as found:
        opened(http(server), settings)
    assert str(found.value) == f"{NAME}: {message}"
    assert server.url in caplog.text
    tries = {"429": 3, "500": 3, "503": 3, "hang-up": 3, "slow": 2}
    assert len(server.asked) == tries.get(fault, 1)
    assert server.sent_bytes < len(CONTENT) or fault == "whole"


@pytest.mark.parametrize("fault", ["429", "500", "503", "cut", "hang-up", "slow"])
def test_a_request_that_fails_is_repeated(server: FileServer, fault: Fault) -> None:
    source = opened(http(server), IMPATIENT if fault == "slow" else QUICK)
    server.faults.extend([fault] * (1 if fault == "slow" else 2))
    assert ranges(source, (100_000, 50)) == [CONTENT[100_000:100_050]]
    assert not server.faults


def test_a_server_that_is_away_for_a_moment(server: FileServer) -> None:
    source = opened(http(server))
    server.is_away = True
    with pytest.raises(SourceUnavailable, match="its server cannot be reached"):
        ranges(source, (100_000, 50))
    with pytest.raises(SourceUnavailable, match="its server cannot be reached"):
        opened(http(server))
    server.is_away = False
    assert ranges(source, (100_000, 50)) == [CONTENT[100_000:100_050]]


@pytest.mark.parametrize("host", ["nowhere.invalid", "127.0.0.1:1"], ids=["unknown", "refusing"])
def test_a_host_that_is_not_there(host: str) -> None:
    settings = RemoteConfig(connect_timeout_s=1, retries=0)
    with pytest.raises(SourceUnavailable, match=r"^x\.fits: its server cannot be reached$"):
        opened(f"http://{host}/x.fits", settings)


def test_an_empty_file_and_a_path_that_cannot_be(server: FileServer) -> None:
    (server.folder / "empty.fits").touch()
    with pytest.raises(TileUnreadable, match=r"^empty\.fits: the file is empty$"):
        opened(f"{server.url}/empty.fits")
    with pytest.raises(TileUnreadable, match=r"^x\.fits: its path is not valid on a server$"):
        opened(f"{server.url}/a//x.fits")


@pytest.mark.parametrize("has_etags", [True, False], ids=["etag", "last-modified"])
@pytest.mark.parametrize("size_bytes", [len(CONTENT), 70_000], ids=["same-size", "shorter"])
def test_a_file_that_is_replaced_gives_no_mixed_bytes(
    server: FileServer, has_etags: bool, size_bytes: int
) -> None:
    server.has_etags = has_etags
    source = opened(http(server))
    path = server.folder / "a b" / NAME
    new = path.with_suffix(".new")
    new.write_bytes(bytes(size_bytes))
    os.utime(new, (1e9, 1e9))
    new.replace(path)
    with pytest.raises(SourceUnavailable, match="was replaced while it was read"):
        ranges(source, (100_000, 50))
    assert identity(http(server)) != source.identity
    again = opened(http(server))
    assert ranges(again, (66_000, 50)) == [bytes(50)]


def test_a_file_that_is_replaced_between_two_ranges(server: FileServer) -> None:
    source = opened(http(server))
    path = server.folder / "a b" / NAME
    new = path.with_suffix(".new")
    new.write_bytes(bytes(len(CONTENT)))

    def replace(number: int) -> None:
        if number == 3:
            new.replace(path)

    server.before = replace
    with pytest.raises(SourceUnavailable, match="was replaced while it was read"):
        ranges(source, *((start, 50) for start in range(70_000, 290_000, 10_000)))


def test_a_file_that_is_removed_after_it_was_opened(server: FileServer) -> None:
    source = opened(http(server))
    (server.folder / "a b" / NAME).unlink()
    with pytest.raises(TileUnreadable, match="no such file"):
        ranges(source, (100_000, 50))


@pytest.mark.parametrize(
    ("start", "length"), [(-1, 5), (0, 300_001), (300_000, 1), (10**15, 1), (5, -1)]
)
def test_bytes_that_are_not_there(server: FileServer, start: int, length: int) -> None:
    source = opened(http(server))
    server.forget()
    with pytest.raises(TileUnreadable, match="truncated: no byte 300000"):
        source.read(start, length)
    if length > 0:
        with pytest.raises(TileUnreadable, match="truncated: no byte 300000"):
            ranges(source, (0, 10), (start, length))
    assert server.asked == []


def test_opening_takes_one_request_and_reading_on_few(server: FileServer) -> None:
    source = opened(http(server))
    assert isinstance(source, RemoteSource)
    assert (source.label, source.size_bytes, source.is_remote) == (NAME, 300_000, True)
    assert [asked.range for asked in server.asked] == [(0, 65536)]
    assert source.read(0, 2880) == CONTENT[:2880]
    assert source.read(60_000, 5536) == CONTENT[60_000:65536]
    assert source.read(0, 0) == source.read(300_000, 0) == b""
    assert len(server.asked) == 1
    # Of a table that begins in what was read, the rest alone.
    assert source.read(60_000, 100_000) == CONTENT[60_000:160_000]
    assert server.asked[-1].range == (65536, 160_000)
    assert source.read(200_000, 80) == CONTENT[200_000:200_080]
    assert source.read(265_000, 536) == CONTENT[265_000:265_536]
    assert server.asked[-1].range == (200_000, 265_536)
    assert len(server.asked) == 3
    assert source.table_bytes <= 4 * 65536
    source.announce(0, 300_000)
    assert len(server.asked) == 3
    source.close()
    assert source.table_bytes == 0


def test_ranges_close_together_are_one_request(server: FileServer) -> None:
    source = opened(http(server))
    server.forget()
    pairs = [(5000, 20), (100, 10), (0, 0), (210, 5), (5010, 5), (110, 0), (316, 4), (299_990, 10)]
    assert ranges(source, *pairs) == [CONTENT[start : start + size] for start, size in pairs]
    asked = sorted(asked.range for asked in server.asked if asked.range)
    assert asked == [(100, 215), (316, 320), (5000, 5020), (299_990, 300_000)]
    assert server.sent_bytes == 115 + 4 + 20 + 10
    assert ranges(source, (7, 0), (9, 0)) == [b"", b""]


def test_long_ranges_are_got_in_pieces(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soda_service.pixels.remote._PIECE_BYTES", 40_000)
    source = opened(http(server))
    server.forget()
    assert source.read(70_000, 130_000) == CONTENT[70_000:200_000]
    asked = sorted(asked.range for asked in server.asked if asked.range)
    assert asked == [(70_000, 110_000), (110_000, 150_000), (150_000, 190_000), (190_000, 200_000)]


def test_a_random_many_of_ranges_are_those_of_the_file(server: FileServer) -> None:
    source = opened(http(server))
    random = np.random.default_rng(5)
    for _ in range(20):
        starts = random.integers(0, 299_000, 50)
        pairs = list(zip(starts.tolist(), random.integers(0, 900, 50).tolist(), strict=True))
        assert ranges(source, *pairs) == [CONTENT[start : start + size] for start, size in pairs]


@pytest.mark.usefixtures("_s3_known")
def test_s3_gives_the_same(s3: S3Server) -> None:
    s3.forget()
    source = opened(f"s3://tiles/a b/{NAME}")
    assert (source.label, source.size_bytes, source.is_remote) == (NAME, 300_000, True)
    assert source.read(0, 2880) == CONTENT[:2880]
    pairs = [(5000, 20), (100, 10), (0, 0), (210, 5), (299_990, 10)]
    assert ranges(source, *pairs) == [CONTENT[start : start + size] for start, size in pairs]
    assert (s3.asked, s3.sent_bytes) == (4, 65536 + 115 + 20 + 10)
    s3.put("tiles", f"a b/{NAME}", bytes(300_000))
    try:
        with pytest.raises(SourceUnavailable, match="was replaced while it was read"):
            ranges(source, (100_000, 50))
    finally:
        s3.put("tiles", f"a b/{NAME}", CONTENT)
    assert identity(f"s3://tiles/a b/{NAME}") == source.identity


@pytest.mark.usefixtures("_s3_known")
def test_s3_says_what_is_missing() -> None:
    with pytest.raises(TileUnreadable, match=r"^none\.fits: no such file$"):
        opened("s3://tiles/none.fits")
    with pytest.raises(SourceUnavailable, match=r"^the release's bucket is not there$"):
        opened("s3://nosuchbucket/none.fits")


@pytest.mark.usefixtures("_s3_known")
def test_s3_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    assert opened("s3://tiles/public.fits").read(5, 5) == CONTENT[5:10]
    with pytest.raises(SourceUnavailable, match="its server refuses access"):
        opened(f"s3://tiles/a b/{NAME}")


@pytest.mark.usefixtures("_s3_known")
def test_s3_over_plain_http_has_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(SourceUnavailable, match="its server cannot be reached"):
        opened(f"s3://tiles/a b/{NAME}")


@pytest.mark.parametrize("ending", ["gz", "bz2"])
def test_a_packed_file_is_brought_here(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("soda_service.pixels.remote._BATCH_BYTES", 70_000)
    path = server.folder / f"packed.{ending}"
    path.write_bytes({"gz": gzip, "bz2": bz2}[ending].compress(CONTENT))
    source = opened(f"{server.url}/packed.{ending}")
    assert (source.label, source.size_bytes, source.is_remote) == (path.name, 300_000, False)
    assert source.read(299_990, 10) == CONTENT[-10:]
    assert ranges(source, (5, 10), (100_000, 7)) == [CONTENT[5:15], CONTENT[100_000:100_007]]
    assert source.identity == identity(f"{server.url}/packed.{ending}")
    source.close()
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(TileUnreadable, match=rf"^packed\.{ending}: "):
        opened(f"{server.url}/packed.{ending}")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", "300000"),
        ("open_remote(sys.argv[1], servers)", "an object store was used before this"),
        (
            "open_remote(sys.argv[1], Servers(RemoteConfig()))",
            "an object store was used before this",
        ),
        (
            "subprocess.run([sys.executable, '-c', use, sys.argv[1]], check=True)",
            "300000",
        ),
    ],
    ids=["before", "after", "after, by other connections", "after, in another process"],
)
def test_a_process_that_forks_before_and_after_it_asks(
    server: FileServer, before: str, expected: str
) -> None:
    # After, the child would wait for obstore's threads, which it does not have.
    program = f"""
import os, subprocess, sys
from soda_service.config.model import RemoteConfig
from soda_service.pixels.objectstore import Servers
from soda_service.pixels.remote import open_remote
servers = Servers(RemoteConfig())
use = '''
import sys
from soda_service.config.model import RemoteConfig
from soda_service.pixels.objectstore import Servers
from soda_service.pixels.remote import open_remote
open_remote(sys.argv[1], Servers(RemoteConfig()))
'''
{before}
if os.fork():
    os.wait()
else:
    try:
        print(open_remote(sys.argv[1], servers).size_bytes)
    except RuntimeError as error:
        print(error)
"""
    command = [sys.executable, "-c", program, http(server)]
    found = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert found.stdout.startswith(expected)


def test_settings_are_in_effect(server: FileServer) -> None:
    source = opened(http(server), RemoteConfig(gap_bytes=10_000))
    server.forget()
    assert ranges(source, (0, 5), (10_005, 5)) == [CONTENT[:5], CONTENT[10_005:10_010]]
    assert [asked.range for asked in server.asked] == [(0, 10_010)]


def test_connections_go_to_other_processes_as_their_settings(server: FileServer) -> None:
    servers = pickle.loads(pickle.dumps(Servers(QUICK)))
    assert servers.settings == QUICK
    assert open_remote(http(server), servers).size_bytes == len(CONTENT)
