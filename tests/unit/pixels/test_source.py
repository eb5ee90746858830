import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.pixels import source
from soda_service.pixels.failures import failures_explained
from soda_service.pixels.opening import identity_of, open_source
from soda_service.pixels.source import LocalSource

CONTENT = np.random.default_rng(3).integers(0, 256, 300_000, np.uint8).tobytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.fits"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["map", "calls"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By a memory map, and by calls as where the kernel is too old to ask for pages."""
    if request.param == "calls":
        monkeypatch.setattr(source, "_POPULATE_READ", 9999)
    return str(request.param)


def ranges(*pairs: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts, lengths = np.array(pairs, np.int64).reshape(-1, 2).T
    return starts.copy(), lengths.copy()


def fetched(file: source.ByteSource, *pairs: tuple[int, int]) -> list[bytes]:
    heap, places = file.fetch(*ranges(*pairs))
    with memoryview(heap) as whole:
        found = zip(places.tolist(), pairs, strict=True)
        return [bytes(whole[place : place + length]) for place, (_, length) in found]


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(0, 1)],
        [(299_999, 1)],
        [(0, 300_000)],
        [(10, 20), (30, 5), (40, 1)],
        [(0, 10), (100_000, 10), (250_000, 50_000)],
        [(250_000, 10), (5, 7), (100_000, 20_000), (100_010, 3)],
        [(5, 0), (4096, 4096), (0, 0), (299_000, 500)],
        [(7, 0)],
        [(n * 1_000, 300) for n in range(299)],
        [(n * 40_000, 912) for n in range(7)],
    ],
    ids=["none", "first", "last", "all", "near", "far", "mixed", "gaps", "empty", "rows", "wide"],
)
@pytest.mark.usefixtures("way")
def test_ranges(path: Path, pairs: list[tuple[int, int]]) -> None:
    file = open_source(str(path))
    for _ in range(2):  # the second time pages are known to be there
        expected = [CONTENT[start : start + length] for start, length in pairs]
        assert fetched(file, *pairs) == expected
    file.close()


def test_a_map_is_used_where_it_can_be(path: Path, way: str) -> None:
    file = open_source(str(path))
    starts, lengths = ranges((10, 20), (200_000, 5))
    heap, places = file.fetch(starts, lengths)
    assert (len(memoryview(heap)), places is starts) == {
        "map": (300_000, True),
        "calls": (25, False),
    }[way]
    del heap
    file.close()


@pytest.mark.parametrize("start", [-1, 299_990, 300_000, 2**62])
@pytest.mark.usefixtures("way")
def test_no_bytes_beyond_the_file(path: Path, start: int) -> None:
    file = open_source(str(path))
    with pytest.raises(TileUnreadable, match=r"^truncated: no byte 300000$"):
        file.fetch(*ranges((0, 10), (start, 20)))
    file.close()


@pytest.mark.usefixtures("way")
def test_a_file_cut_off_while_it_is_open(path: Path) -> None:
    """Through a memory map alone this would kill the process."""
    file = open_source(str(path))
    assert fetched(file, (250_000, 100)) == [CONTENT[250_000:250_100]]
    os.truncate(path, 100_000)
    for _ in range(2):
        with pytest.raises(TileUnreadable, match=r"^truncated: no byte 100000$"):
            file.fetch(*ranges((250_000, 100)))
    with pytest.raises(TileUnreadable, match=r"^truncated: no byte 100000$"):
        file.read(99_990, 20)
    assert fetched(file, (99_000, 1_000)) == [CONTENT[99_000:100_000]]
    file.close()


def test_a_disk_that_is_away_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the kernel does not bring pages in, reading them by a call says why."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    file = open_source(str(path))
    monkeypatch.setattr(source, "_POPULATE_READ", 9999)
    monkeypatch.setattr(source.os, "preadv", fail)
    with pytest.raises(OSError, match="Input/output error"):
        file.fetch(*ranges((0, 10)))
    file.close()


def test_reading(path: Path) -> None:
    file = open_source(str(path))
    assert (file.label, file.size_bytes, file.is_remote) == ("a.fits", 300_000, False)
    assert file.read(1_000, 5) == CONTENT[1_000:1_005]
    assert file.read(300_000, 0) == b""
    with pytest.raises(TileUnreadable, match=r"^truncated: no byte 300000$"):
        file.read(299_999, 2)
    file.announce(0, 300_000)
    file.close()


def test_threads_fetch_at_once(path: Path) -> None:
    file = open_source(str(path))
    wrong: list[int] = []

    def work(first: int) -> None:
        places = range(first, 290_000, 7_001)
        wrong.extend(n for n in places if fetched(file, (n, 9_000))[0] != CONTENT[n : n + 9_000])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    assert wrong == []


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.fits").touch()
    file = open_source(str(tmp_path / "a.fits"))
    assert (file.size_bytes, fetched(file)) == (0, [])
    file.close()


def test_identity_changes_with_the_content(path: Path, tmp_path: Path) -> None:
    file = open_source(str(path))
    first = file.identity
    assert identity_of(str(path)) == first
    os.utime(path, ns=(1, 1))
    second = identity_of(str(path))
    path.write_bytes(b"other")
    os.utime(path, ns=(1, 1))
    third = identity_of(str(path))
    other = tmp_path / "b.fits"
    other.write_bytes(b"other")
    os.utime(other, ns=(1, 1))
    other.replace(path)
    assert len({first, second, third, identity_of(str(path))}) == 4
    assert file.identity == first
    path.unlink()
    assert identity_of(str(path)) is None
    file.close()


def test_bytes_in_memory_are_told(path: Path) -> None:
    file = open_source(str(path))
    assert isinstance(file, LocalSource)
    assert file.table_bytes == 2 * 74, "two for each page"
    file.close()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (OSError(errno.EIO, "."), SourceUnavailable("a.fits: Input/output error")),
        (OSError(errno.ESTALE, "."), SourceUnavailable("a.fits: Stale file handle")),
        (OSError(errno.EMFILE, "."), SourceUnavailable("a.fits: Too many open files")),
        (OSError(errno.EACCES, "Permission denied"), TileUnreadable("a.fits: Permission denied")),
        (OSError("no codec. In line 7"), TileUnreadable("a.fits: no codec")),
        (FileNotFoundError(errno.ENOENT, "."), TileUnreadable("a.fits: no such file")),
        (EOFError("no end"), TileUnreadable("a.fits: damaged: no end")),
        (TileUnreadable("truncated"), TileUnreadable("a.fits: truncated")),
        (TileUnreadable("a.fits: truncated"), TileUnreadable("a.fits: truncated")),
        (SourceUnavailable("away"), SourceUnavailable("away")),
    ],
    ids=repr,
)
def test_failures_are_explained(found: Exception, expected: Exception) -> None:
    with pytest.raises(type(expected)) as caught, failures_explained("a.fits", "/"):
        raise found
    assert str(caught.value) == str(expected)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.fits")
    with pytest.raises(TileUnreadable, match=r"pipe\.fits: not a regular file"):
        open_source(str(tmp_path / "pipe.fits"))
