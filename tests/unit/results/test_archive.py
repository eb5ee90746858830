import gzip
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soda_service.results.archive import archive_size, stream_archive
from soda_service.results.tree import thumbnail_path
from uws.localfiles import LocalFiles

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 65535, 65536, 3_000_000], ids=str)
def test_archive_holds_the_tree_and_its_length_is_known(tmp_path: Path, size: int) -> None:
    files = LocalFiles(tmp_path)
    data = bytes(n % 251 for n in range(size))
    files.write("job/TILE/DESJ+1/a_g.fits", data)
    files.write("job/summary.json", b"{}")
    files.write("job/.work/plan.json", b"hidden")
    archive = b"".join(stream_archive(files, "job", TIME))
    assert len(archive) == archive_size(files, "job", TIME)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        assert tar.getnames() == ["job/summary.json", "job/TILE/DESJ+1/a_g.fits"]
        member = tar.extractfile("job/TILE/DESJ+1/a_g.fits")
        assert member is not None
        assert member.read() == data
        assert {entry.mtime for entry in tar} == {int(TIME.timestamp())}


def test_thumbnails_are_left_out(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.write("job/TILE/J/a_g.fits", b"x" * 1000)
    files.write("job/summary.json", b"{}")
    alone = b"".join(stream_archive(files, "job", TIME))
    files.write(f"job/{thumbnail_path('a_g.fits')}", b"y" * 1000)
    assert archive_size(files, "job", TIME) == len(alone)
    assert b"".join(stream_archive(files, "job", TIME)) == alone


def test_long_names_survive(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    key = f"job/{'t' * 120}/{'p' * 120}/{'ü' * 60}.fits"
    files.write(key, b"x")
    archive = b"".join(stream_archive(files, "job", TIME))
    assert len(archive) == archive_size(files, "job", TIME)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames() == [key]


def test_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.write("job/a.fits", b"x" * 100_000)
    first = b"".join(stream_archive(files, "job", TIME))
    assert first == b"".join(stream_archive(files, "job", TIME))
