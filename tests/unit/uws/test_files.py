"""Job files in a directory: what is missing, what is durable, what is removed."""

import math
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import pytest

from uws.localfiles import LocalFiles


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


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_a_folder_is_set_aside_whole_and_its_name_is_free(
    files: LocalFiles, tmp_path: Path
) -> None:
    files.write("other/a", b"1")
    files.delete_later("job")
    files.write("job/late.txt", b"2")
    files.delete_later("job")
    files.delete_later("job")
    assert list(files.keys("job")) == []
    assert list(files.keys("other")) == ["other/a"]
    places = list(files.pending_deletions())
    kept = sorted(key.rpartition("/")[2] for place in places for key in files.keys(place))
    assert kept == ["a.txt", "late.txt"]
    for place in list(files.pending_deletions()):
        assert files.continue_deletion(place, until_s=math.inf)
    assert list(files.pending_deletions()) == []
    assert everything(tmp_path / ".gone") == []


@pytest.mark.parametrize("folder", ["none", "x" * 300])
def test_nothing_to_set_aside_leaves_no_trace(tmp_path: Path, folder: str) -> None:
    files = LocalFiles(tmp_path / "root")
    files.delete_later(folder)
    assert list(files.pending_deletions()) == []
    assert everything(tmp_path) == []


@pytest.mark.parametrize("folder", ["", "/etc", "../a", "job/../.."])
def test_nothing_else_is_set_aside_or_removed(files: LocalFiles, folder: str) -> None:
    with suppress(FileNotFoundError):
        files.delete_later(folder)
    with suppress(FileNotFoundError):
        files.continue_deletion(folder, until_s=math.inf)
    assert list(files.keys("job")) == ["job/a.txt"]


def test_a_removal_goes_on_where_it_was_stopped(files: LocalFiles, tmp_path: Path) -> None:
    """Also where a link leads out of it, which is not followed."""
    files.write("other/a", b"1")
    files.write("job/deep/er/b", b"1")
    (tmp_path / "job" / "deep" / "link").symlink_to(tmp_path / "other")
    assert not files.continue_deletion("job", until_s=-math.inf)
    assert list(files.keys("job")) == ["job/a.txt", "job/deep/er/b"]
    (tmp_path / "job" / "deep" / "er" / "b").unlink()
    assert files.continue_deletion("job", until_s=math.inf)
    assert files.continue_deletion("job", until_s=math.inf)
    assert everything(tmp_path) == ["other", "other/.parts", "other/a"]


def test_several_remove_the_same_folder_at_once(files: LocalFiles, tmp_path: Path) -> None:
    for number in range(60):
        files.write(f"job/{number}/a", b"1")
    with ThreadPoolExecutor(4) as pool:
        tried = [pool.submit(files.continue_deletion, "job", until_s=math.inf) for _ in range(4)]
        for each in tried:
            each.result()
    assert not (tmp_path / "job").exists()


def test_a_folder_that_keeps_something_is_left_for_later(
    files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS keeps a file that is being read, under another name."""
    unlink = Path.unlink

    def keep(path: Path) -> None:
        path.rename(path.with_name(".nfs1"))

    monkeypatch.setattr(Path, "unlink", keep)
    assert not files.continue_deletion("job", until_s=math.inf)
    monkeypatch.setattr(Path, "unlink", unlink)
    assert files.continue_deletion("job", until_s=math.inf)
    assert everything(tmp_path) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_have_the_rights_that_the_operator_allows(
    tmp_path: Path, umask: int, mode: int
) -> None:
    """Security L8: results were readable by everybody on the host, whatever the umask."""
    before = os.umask(umask)
    try:
        LocalFiles(tmp_path).write("job/a", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "job" / "a").stat().st_mode & 0o777 == mode
