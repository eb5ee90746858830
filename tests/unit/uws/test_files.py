"""Job files in a directory: what is missing, what is durable, what is removed."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import pytest

from uws.files import LocalFiles


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    files = LocalFiles(tmp_path)
    files.write("job/a.txt", b"sky")
    return files


@pytest.mark.parametrize(
    "key",
    [
        *("", "/etc/passwd", "../a", "job/../../a", "job/a\0b", "job/none", "job", "job/a.txt/x"),
        *("job/" + "x" * 300, "job/" + "x/" * 3000),
    ],
    ids=[
        *("empty", "absolute", "above", "above by a detour", "NUL", "none", "folder", "below file"),
        *("long name", "long path"),
    ],
)
@pytest.mark.parametrize("verb", [LocalFiles.open, LocalFiles.stat], ids=["open", "stat"])
def test_a_key_without_file_is_missing_whatever_it_is(
    files: LocalFiles, verb: Callable[[LocalFiles, str], object], key: str
) -> None:
    with pytest.raises(FileNotFoundError):
        verb(files, key)


def test_other_troubles_are_told(files: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(PermissionError):
        files.delete("job")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError):
        files.open("job/a.txt")


def test_a_relative_root_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = LocalFiles(Path("files"))
    monkeypatch.chdir("/")
    files.write("job/a", b"1")
    assert (tmp_path / "files" / "job" / "a").read_bytes() == b"1"


def _synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is put on disk: `file` or the name of a folder."""
    synced: list[str] = []

    def note(descriptor: int) -> None:
        is_folder = S_ISDIR(os.fstat(descriptor).st_mode)
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(place.name if is_folder else "file")

    monkeypatch.setattr(os, "fsync", note)
    return synced


def test_a_durable_file_is_on_disk_with_all_folders_that_lead_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = _synced(monkeypatch)
    LocalFiles(tmp_path / "root").write("job/.uws/T", b"1", durable=True)
    assert synced == ["file", ".uws", "job", "root"]


def test_what_can_be_made_again_is_not_waited_for(
    files: LocalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = _synced(monkeypatch)
    files.write("job/b", b"1")
    assert synced == []


def test_a_write_that_fails_leaves_the_old_content(files: LocalFiles) -> None:
    with suppress(RuntimeError), files.writer("job/a.txt", durable=True) as stream:
        stream.write(b"half")
        raise RuntimeError
    with files.open("job/a.txt") as stream:
        assert stream.read() == b"sky"
    assert list(files.keys("job")) == ["job/a.txt"]


@pytest.mark.parametrize("prefix", ["none", "job/none", "job/a.txt/x", "x" * 300])
def test_deleting_what_is_not_there_is_no_error(files: LocalFiles, prefix: str) -> None:
    files.delete(prefix)
    assert list(files.keys("job")) == ["job/a.txt"]


def test_deleting_goes_on_where_something_vanished_meanwhile(
    files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = shutil.rmtree, []

    def vanish(folder: Path, *options: Any, **more: Any) -> None:
        calls.append(folder)
        if len(calls) == 1:
            raise FileNotFoundError(folder)
        real(folder, *options, **more)

    monkeypatch.setattr(shutil, "rmtree", vanish)
    files.delete("job")
    assert not (tmp_path / "job").exists()
