"""Job files where the system refuses: nothing in part, nothing left behind, all of it told."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from tests.joblogs import add_lines, lines_of
from tests.toyjob import queue_toy
from uws.errors import TransientError, storage_error
from uws.localfiles import LocalFiles
from uws.models import Phase
from uws.runtime import Runtime

LIMITED = """
import resource, sys
from pathlib import Path
from uws.localfiles import LocalFiles

files = LocalFiles(Path(sys.argv[1]))
with files.log("job/lines") as lines, files.log("job/new") as new:
    lines.add(b"first\\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
    refused = []
    for attempt in (
        lambda: lines.add(b"x" * 20_000 + b"\\n"),
        lambda: files.write("job/file", b"x" * 20_000),
        lambda: new.add(b"x" * 10_001),
    ):
        try:
            attempt()
        except OSError as error:
            refused.append(error.errno)
    lines.add(b"second\\n")
print(*refused)
"""
"""Writes until it meets a limit, which takes a part of what is written and then refuses, as a disk
that gets full does."""


def test_what_does_not_fit_leaves_no_trace(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout
    assert told.split() == [str(errno.EFBIG)] * 3
    files = LocalFiles(tmp_path)
    assert lines_of(files, "job/lines") == [b"first\n", b"second\n"]
    assert lines_of(files, "job/new") == []
    assert [path.name for path in (tmp_path / "job").rglob(".part-*")] == []
    assert list(files.keys("job")) == ["job/lines/000001", "job/new/000001"]


def test_what_another_added_meanwhile_is_not_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = LocalFiles(tmp_path)
    real = Path.open

    class Refusing:
        def __init__(self, stream: object) -> None:
            self._stream = stream

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._stream.close()  # type: ignore[attr-defined]  # a real file

        def __getattr__(self, name: str) -> object:
            return getattr(self._stream, name)

        def write(self, data: bytes) -> int:
            if data == b"half and half\n":
                return int(self._stream.write(data[:4]))  # type: ignore[attr-defined]  # as above
            if data != b" and half\n":
                return int(self._stream.write(data))  # type: ignore[attr-defined]  # as above
            add_lines(files, "job/lines", b"another's\n")
            raise OSError(errno.ENOSPC, "No space left on device")

    with files.log("job/lines") as log:
        log.add(b"first\n")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", lambda *given, **more: Refusing(real(*given, **more)))
            with pytest.raises(OSError, match="No space left"):
                log.add(b"half and half\n")
        log.add(b"last\n")
    assert lines_of(files, "job/lines") == [b"first\n", b"last\n", b"another's\n"]


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = LocalFiles(tmp_path)
    files.write("job/deep/a", b"1")
    scandir = os.scandir

    def refuse(folder: object) -> object:
        if str(folder).endswith("deep"):
            raise OSError(errno.EIO, "Input/output error")
        return scandir(folder)  # type: ignore[call-overload]  # passed on as it came

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        list(files.keys("job"))


def test_parts_that_were_left_are_removed_and_nothing_else(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    for key in ("job/a", "job/deep/b", "other/c"):
        files.write(key, b"1")
    with files.writer("job/d") as stream:
        stream.write(b"half")
        stream.flush()
        (part,) = (tmp_path / "job").rglob(".part-*")
        left = part.with_name(".part-left")
        left.write_bytes(part.read_bytes())
        kept = tmp_path / "other" / ".parts" / ".part-kept"
        kept.write_bytes(b"")
    assert list(files.keys("job")) == ["job/a", "job/d", "job/deep/b"]
    files.discard_parts("job")
    files.discard_parts("nobody")
    assert not left.exists()
    assert kept.exists()
    assert list(files.keys("job")) == ["job/a", "job/d", "job/deep/b"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EDQUOT, "Disk quota exceeded"),
        (errno.EROFS, "Read-only file system"),
        (errno.EACCES, "Permission denied"),
        (errno.EIO, "Input/output error"),
        (errno.ESTALE, "Stale file handle"),
    ],
    ids=errno.errorcode.get,
)
def test_trouble_with_storage_is_the_moments(code: int, text: str) -> None:
    found = storage_error(OSError(code, "whatever", "/srv/secret/file"))
    assert isinstance(found, TransientError)
    expected = f"ServiceUnavailable: files cannot be read or written now: {text}"
    assert (str(found), found.status) == (expected, 503)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, ""),
        FileExistsError(errno.EEXIST, ""),
        NotADirectoryError(errno.ENOTDIR, ""),
        ConnectionResetError(errno.ECONNRESET, ""),
    ],
    ids=repr,
)
def test_other_errors_are_not(error: OSError) -> None:
    assert storage_error(error) is None


@pytest.mark.parametrize("chunks", ["1", "2"])
def test_a_finished_job_has_no_unfinished_files(inline: Runtime, chunks: str) -> None:
    """As they are left by workers that are killed while they write."""
    queue_toy(inline, WORD="sky", TIMES="2", CHUNKS=chunks)
    inline.files.write("job/other", b"1")
    path = inline.files.path("job/.parts/.part-left")
    assert path is not None
    path.write_bytes(b"half of a file")
    inline.executor.send_plan("job")
    assert inline.store.phase("job") is Phase.COMPLETED
    assert not path.exists()
