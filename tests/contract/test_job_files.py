"""What holds of job files wherever they lie: in a directory, or in a bucket of an object store."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from tests.job_files_contract import LARGE, JobFilesContract, content, write
from tests.joblogs import lines_of
from tests.objectserver import S3Server, started_s3
from uws.errors import storage_error
from uws.files import JobFiles, open_files
from uws.objectfiles import ObjectFiles


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with started_s3() as server:
        yield server


class TestLocalFiles(JobFilesContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> str:
        return str(tmp_path / "files")

    @pytest.fixture
    @override
    def files(self, root: str) -> JobFiles:
        return open_files(root)

    def test_a_look_makes_no_folder(self, files: JobFiles, root: str) -> None:
        assert files.check() == f"{root} (will be made)"
        assert not Path(root).exists()
        Path(root).write_bytes(b"")
        with pytest.raises(NotADirectoryError):
            files.check()


class TestObjectFiles(JobFilesContract):
    pytestmark = pytest.mark.xdist_group("job files in S3")

    @pytest.fixture
    def root(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
        """Give the address of a bucket of the test's own."""
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        bucket = f"bucket-{secrets.token_hex(8)}"
        server.put(bucket)
        return f"s3://{bucket}/some/prefix"

    @pytest.fixture
    @override
    def files(self, root: str) -> JobFiles:
        return open_files(root)

    def test_lines_of_a_log_are_sent_in_batches(
        self, files: JobFiles, server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.forget()
        with files.log("job/log") as log:
            for _ in range(1000):
                log.add(b"x" * 99 + b"\n")
            assert server.asked <= 2
            log.add(b"x" * (1 << 18) + b"\n")
            assert len(lines_of(files, "job/log")) == 1001
            log.add(b"late\n")
            monkeypatch.setattr("uws.objectfiles._BATCH_S", 0.0)
            log.add(b"later\n")
            assert len(lines_of(files, "job/log")) == 1003
        assert len(list(files.keys("job/log"))) == 2

    def test_a_few_rows_of_a_large_file_cost_little(
        self, files: JobFiles, server: S3Server
    ) -> None:
        write(files, "job/large", LARGE)
        server.forget()
        with files.open("job/large", 10 << 20) as stream:
            stream.readline()
        assert (server.asked, server.sent_bytes) == (1, 1 << 18)
        server.forget()
        assert content(files, "job/large") == LARGE
        assert server.asked < 12

    def test_lines_wait_while_the_server_refuses(
        self, files: JobFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(5, "Input/output error")

        with files.log("job/log") as log:
            log.add(b"first\n")
            with monkeypatch.context() as patch:
                patch.setattr(ObjectFiles, "write", refuse)
                with pytest.raises(OSError, match="Input/output error"):
                    log.flush()
            log.add(b"second\n")
        assert lines_of(files, "job/log") == [b"first\n", b"second\n"]

    def test_a_bucket_that_is_not_there_is_no_missing_file(self, files: JobFiles) -> None:
        del files
        gone = open_files("s3://no-such-bucket/x")
        for attempt in (
            gone.check,
            lambda: gone.open("job/a"),
            lambda: gone.write("job/a", b"1"),
            lambda: gone.delete("job"),
            lambda: list(gone.keys("job")),
            lambda: list(gone.folders()),
            lambda: write(gone, "job/a", LARGE),
        ):
            with pytest.raises(OSError, match="Input/output error") as caught:
                attempt()
            assert storage_error(caught.value) is not None

    def test_a_server_that_is_away_is_the_moments(
        self, files: JobFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        del files
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setattr("uws.objectfiles._TRIES_MORE", 0)
        away = open_files("s3://bucket")
        for attempt in (away.check, lambda: away.stat("job/a"), lambda: away.write("job/a", b"1")):
            with pytest.raises(OSError, match="Input/output error") as caught:
                attempt()
            assert storage_error(caught.value) is not None

    @pytest.mark.parametrize("root", ["s3://", "s3:///x", "s3://UPPER/x", "s3://user@bucket/x"])
    def test_other_addresses_are_refused(self, root: str) -> None:
        with pytest.raises(ValueError, match="an address of job files is s3://BUCKET/PREFIX"):
            open_files(root)

    def test_a_process_that_was_forked_is_told_so(
        self, files: JobFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files.check()
        monkeypatch.setattr("os.getpid", lambda: -1)
        with pytest.raises(RuntimeError, match="before this process was forked"):
            files.stat("job/a")

    def test_there_is_no_local_file(self, files: JobFiles) -> None:
        assert files.path("job/a") is None


def test_a_scheme_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="ftp:// found; allowed are a directory, s3://"):
        open_files("ftp://host/x")
