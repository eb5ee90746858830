"""The promises of `JobFiles`: a test of each store inherits them."""

import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import pytest

from tests.joblogs import add_lines, lines_of
from uws.errors import storage_error
from uws.files import JobFiles

LARGE = bytes(range(256)) * (20 << 12)
"""20 MiB: more than an object store sends or takes in one piece."""

MISSING = {
    "empty": "",
    "absolute": "/etc/passwd",
    "above": "../a",
    "above by a detour": "job/../../a",
    "NUL": "job/a\0b",
    "none": "job/none",
    "folder": "job",
    "folder with files": "job/deep",
    "below file": "job/a.txt/x",
    "long name": "job/" + "x" * 300,
    "long path": "job/" + "x/" * 3000 + "x",
}


class JobFilesContract:
    """The promises of `JobFiles`."""

    @pytest.fixture
    def files(self) -> JobFiles:
        raise NotImplementedError

    @pytest.fixture
    def filled(self, files: JobFiles) -> JobFiles:
        for key in ("job/a.txt", "job/deep/b.txt", "job/deep/er/c.txt", "jobs/d.txt"):
            files.write(key, key.encode())
        return files

    # ---------------------------------------------------------------- writing and reading

    def test_what_was_written_is_read(self, files: JobFiles) -> None:
        for data in (b"sky", b"", memoryview(b"sea"), b"sky"):
            files.write("job/TILE/DESJ+1 2%41~#.fits", data, durable=True)
            with files.open("job/TILE/DESJ+1 2%41~#.fits") as stream:
                assert stream.read() == data
            assert files.stat("job/TILE/DESJ+1 2%41~#.fits").size_bytes == len(data)

    @pytest.mark.parametrize("key", MISSING.values(), ids=MISSING)
    def test_a_key_without_file_is_missing_whatever_it_is(self, filled: JobFiles, key: str) -> None:
        with pytest.raises(FileNotFoundError):
            filled.open(key)
        with pytest.raises(FileNotFoundError):
            filled.open(key, 3)
        with pytest.raises(FileNotFoundError):
            filled.stat(key)

    def test_the_time_of_a_file_is_that_of_its_writing(self, files: JobFiles) -> None:
        before = datetime.now(UTC) - timedelta(seconds=1)  # S3 tells whole seconds
        files.write("job/a", b"1")
        assert before <= files.stat("job/a").modified <= datetime.now(UTC)
        assert before <= files.last_change("job") <= datetime.now(UTC)

    @pytest.mark.parametrize("start", [0, 1, 1 << 18, (20 << 20) - 1, 20 << 20, 30 << 20])
    def test_a_file_is_read_from_any_byte(self, files: JobFiles, start: int) -> None:
        write(files, "job/large", LARGE)
        with files.open("job/large", start) as stream:
            first = stream.read(10)
            rest = stream.read()
        assert first + rest == LARGE[start:]
        assert len(first) == min(10, max(0, len(LARGE) - start))

    def test_lines_are_read(self, files: JobFiles) -> None:
        lines = [b"%d" % number * 40 + b"\n" for number in range(20_000)]
        files.write("job/lines", b"".join(lines))
        with files.open("job/lines") as stream:
            assert list(stream) == lines
        with files.open("job/lines", len(b"".join(lines[:7]))) as stream:
            assert stream.readline() == lines[7]

    def test_a_stream_appears_when_it_is_whole(self, files: JobFiles) -> None:
        files.write("job/a", b"old")
        with files.writer("job/a", durable=True) as stream:
            stream.write(b"new ")
            stream.write(LARGE)
            stream.flush()
            assert content(files, "job/a") == b"old"
        assert content(files, "job/a") == b"new " + LARGE
        assert list(files.keys("job")) == ["job/a"]

    @pytest.mark.parametrize("data", [b"half", LARGE], ids=len)
    def test_a_stream_that_fails_leaves_the_old_content(self, files: JobFiles, data: bytes) -> None:
        files.write("job/a", b"old")
        for key in ("job/a", "job/b"):
            with suppress(RuntimeError), files.writer(key) as stream:
                stream.write(data)
                raise RuntimeError
        del stream  # which would write what it holds back
        assert content(files, "job/a") == b"old"
        assert list(files.keys("job")) == ["job/a"]

    def test_several_streams_side_by_side(self, files: JobFiles) -> None:
        with files.writer("job/a") as a, files.writer("job/b") as b:
            for _ in range(3):
                a.write(b"a")
                b.write(b"b")
        assert (content(files, "job/a"), content(files, "job/b")) == (b"aaa", b"bbb")

    def test_a_reader_never_sees_two_contents_as_one(self, files: JobFiles) -> None:
        write(files, "job/a", LARGE)
        with files.open("job/a") as stream:
            found = stream.read(1)
            write(files, "job/a", bytes(len(LARGE)))
            errors = []
            try:
                found += stream.read()
            except OSError as error:
                errors.append(storage_error(error))
        assert found == LARGE or None not in errors != []

    # ---------------------------------------------------------------- listing

    def test_what_lies_below_a_folder(self, filled: JobFiles) -> None:
        assert list(filled.keys("job")) == ["job/a.txt", "job/deep/b.txt", "job/deep/er/c.txt"]
        assert list(filled.keys("job/deep/er")) == ["job/deep/er/c.txt"]
        assert list(filled.keys("none")) == list(filled.keys("job/a.txt")) == []
        assert dict(filled.sizes("job")) == {key: len(key) for key in filled.keys("job")}

    def test_many_files_are_listed_in_order(self, files: JobFiles) -> None:
        keys = [f"job/{number:04d}" for number in range(1100)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: files.write(key, b""), reversed(keys)))
        assert list(files.keys("job")) == keys
        assert next(files.pending_deletions(), None) is None
        files.delete_later("job")
        assert delete_all(files)
        assert list(files.keys("job")) == []

    def test_the_folders_of_jobs(self, filled: JobFiles) -> None:
        filled.delete_later("jobs")
        filled.delete_later("none")
        assert "job" in set(filled.folders()) <= {"job", "jobs"}
        delete_all(filled)
        assert list(filled.folders()) == ["job"]
        with pytest.raises(FileNotFoundError):
            filled.last_change("jobs")

    # ---------------------------------------------------------------- logs

    def test_lines_come_out_as_they_went_in(self, files: JobFiles) -> None:
        assert lines_of(files, "job/log") == []
        add_lines(files, "job/log")
        for number in range(12):
            add_lines(files, "job/log", b"%d\n" % number, b"more\n")
        lines = [line for number in range(12) for line in (b"%d\n" % number, b"more\n")]
        assert lines_of(files, "job/log") == lines
        assert all(key.startswith("job/log/") for key in files.keys("job"))

    def test_a_line_is_kept_once_it_is_flushed(self, files: JobFiles) -> None:
        with files.log("job/log") as log:
            for number in range(3):
                log.add(b"%d\n" % number)
                log.flush()
                log.flush()
                assert len(lines_of(files, "job/log")) == number + 1

    def test_lines_are_kept_where_their_worker_fails(self, files: JobFiles) -> None:
        with suppress(RuntimeError), files.log("job/log") as log:
            log.add(b"done\n")
            raise RuntimeError
        assert lines_of(files, "job/log") == [b"done\n"]

    def test_a_torn_line_spoils_no_other(self, files: JobFiles) -> None:
        add_lines(files, "job/log", b"first\n", b"to")
        add_lines(files, "job/log", b"last\n")
        assert lines_of(files, "job/log") == [b"first\n", b"to", b"last\n"]

    def test_two_workers_with_one_log_spoil_nothing(self, files: JobFiles) -> None:
        """As where one wakes that lost its lease."""

        def work(worker: int) -> None:
            with files.log("job/log") as log:
                for number in range(50):
                    log.add(b"%d %d\n" % (worker, number))
                    if number % 10 == worker:
                        log.flush()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        found = lines_of(files, "job/log")
        assert len(found) == 200
        for worker in range(4):
            its = [line for line in found if line.startswith(b"%d " % worker)]
            assert its == [b"%d %d\n" % (worker, number) for number in range(50)]

    def test_a_killed_worker_loses_what_it_did_not_flush_at_most(
        self, files: JobFiles, root: str
    ) -> None:
        """A process that dies in the midst of its work, as by the kernel's hand."""
        script = (
            "import os, signal, sys; from uws.files import open_files\n"
            "with open_files(sys.argv[1]).log('job/log') as log:\n"
            "    for number in range(5):\n"
            "        log.add(b'%d\\n' % number)\n"
            "        if number == 2: log.flush()\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run([sys.executable, "-c", script, root], check=False, timeout=60)
        assert done.returncode == -9
        add_lines(files, "job/log", b"next\n")
        *kept, last = lines_of(files, "job/log")
        assert last == b"next\n"
        assert 3 <= len(kept) <= 5
        assert kept == [b"%d\n" % number for number in range(len(kept))]

    # ---------------------------------------------------------------- deleting

    @pytest.mark.parametrize("prefix", ["none", "job/none", "job/a.txt/x", "x" * 300])
    def test_deleting_what_is_not_there_is_no_error(self, filled: JobFiles, prefix: str) -> None:
        before = list(filled.keys("job"))
        filled.delete(prefix)
        filled.delete_later(prefix)
        assert list(filled.pending_deletions()) == []
        assert list(filled.keys("job")) == before

    def test_a_file_or_a_folder_is_deleted_and_nothing_beside_it(self, filled: JobFiles) -> None:
        filled.delete("job/a.txt")
        assert list(filled.keys("job")) == ["job/deep/b.txt", "job/deep/er/c.txt"]
        filled.delete("job/deep/er")
        assert list(filled.keys("job")) == ["job/deep/b.txt"]
        filled.delete("job")
        assert list(filled.keys("job")) == []
        assert list(filled.keys("jobs")) == ["jobs/d.txt"]

    def test_a_folder_is_deleted_later(self, filled: JobFiles) -> None:
        filled.delete_later("job")
        filled.write("job/late.txt", b"2")
        filled.delete_later("job")
        assert len(list(filled.pending_deletions())) == 2
        assert delete_all(filled)
        assert list(filled.pending_deletions()) == list(filled.keys("job")) == []
        assert list(filled.keys("jobs")) == ["jobs/d.txt"]

    def test_a_deletion_goes_on_where_it_was_stopped(self, filled: JobFiles) -> None:
        filled.delete_later("job")
        (name,) = filled.pending_deletions()
        assert not filled.continue_deletion(name, until_s=-math.inf)
        assert list(filled.pending_deletions()) == [name]
        assert filled.continue_deletion(name, until_s=time.monotonic() + 60)
        assert list(filled.pending_deletions()) == list(filled.keys("job")) == []
        assert filled.continue_deletion(name, until_s=math.inf)  # as another does at once

    def test_several_work_at_one_deletion(self, files: JobFiles) -> None:
        for number in range(40):
            files.write(f"job/{number}/a", b"1")
        files.delete_later("job")
        (name,) = files.pending_deletions()
        with ThreadPoolExecutor(4) as pool:
            tried = [pool.submit(files.continue_deletion, name, until_s=math.inf) for _ in "abcd"]
            for each in tried:
                each.result()
        assert list(files.keys("job")) == list(files.pending_deletions()) == []

    @pytest.mark.parametrize("folder", ["", "/etc", "../a", "job/../.."])
    def test_nothing_outside_is_deleted(self, filled: JobFiles, folder: str) -> None:
        for delete in (
            filled.delete,
            filled.delete_later,
            lambda name: filled.continue_deletion(name, until_s=math.inf),
        ):
            with pytest.raises(FileNotFoundError):
                delete(folder)
        assert len(list(filled.keys("job"))) == 3

    # ---------------------------------------------------------------- looking

    def test_a_look_changes_nothing(self, files: JobFiles, root: str) -> None:
        assert files.check().startswith(root)
        assert list(files.folders()) == []
        files.write("job/a", b"1")
        assert files.check() == root

    def test_unfinished_files_are_no_keys(self, files: JobFiles) -> None:
        files.write("job/a", b"1")
        with files.writer("job/b") as stream:
            stream.write(b"2")
            assert list(files.keys("job")) == ["job/a"]
        files.discard_parts("job")
        files.discard_parts("nobody")
        assert list(files.keys("job")) == ["job/a", "job/b"]


def write(files: JobFiles, key: str, data: bytes) -> None:
    with files.writer(key) as stream:
        stream.write(data)


def content(files: JobFiles, key: str) -> bytes:
    stream: BinaryIO
    with files.open(key) as stream:
        return stream.read()


def delete_all(files: JobFiles) -> bool:
    return all(
        files.continue_deletion(name, until_s=math.inf) for name in list(files.pending_deletions())
    )
