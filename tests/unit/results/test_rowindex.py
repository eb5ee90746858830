"""Rows of a finished job, looked up by the index."""

import json
from pathlib import Path

import pytest

from soda_service.results.reading import JobResults
from soda_service.results.rowindex import RowIndex, RowIndexWriter
from soda_service.results.rows import Status
from soda_service.results.tree import is_public, positions_name, row_index_key
from tests import finished_job
from uws.localfiles import LocalFiles

JOB = "0" * 32
COUNT = 20_000
"""More than the writer holds back."""


def status_of(number: int) -> Status:
    return (Status.OK, Status.OK, Status.FAILED)[number % 3]


def told(number: int) -> dict[str, object]:
    """Give what the summary says of a row (0-based number)."""
    return {
        "RA": float(number), "DEC": "" if number == 1 else -1.0, "COADD_OBJECT_ID": None,
        "FILES": [], "FOLDER": "", "TILENAME": "T", "SEXAGECIMAL": "é", "ROW": number + 1,
        "STATUS": str(status_of(number)), "MESSAGE": "", "SIZE_PIX": None, "COVERAGE": None,
        "mine": "x",
    }  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> LocalFiles:
    """Give the files of a finished job."""
    folder = tmp_path_factory.mktemp("files")
    files = LocalFiles(folder)
    (folder / JOB).mkdir()
    with (
        (folder / JOB / "summary.json").open("wb") as summary,
        files.writer(row_index_key(JOB), durable=False) as index,
    ):
        writer = RowIndexWriter(index)
        for number in range(COUNT):
            writer.add(summary.tell(), status_of(number))
            end = b"\n" if number == COUNT - 1 else b",\n"
            summary.write(json.dumps(told(number)).encode() + end)
        writer.close(12_345)
    files.write(f"{JOB}/{positions_name(JOB)}", b"RA,DEC,COADD_OBJECT_ID,XSIZE,mine\r\n")
    return files


def test_every_row_is_found(files: LocalFiles) -> None:
    index = RowIndex.read(files, JOB)
    assert (len(index.entries), index.files) == (COUNT, 12_345)
    assert index.counts() == dict.fromkeys(Status, 0) | {Status.OK: 13_334, Status.FAILED: 6_666}
    for first in (0, 8_191, 8_192, COUNT - 3):
        found = index.load(files, JOB, index.numbers()[first : first + 3])
        assert found == [told(number) for number in range(first, first + 3)]


def test_rows_are_chosen_by_status(files: LocalFiles) -> None:
    results = JobResults(files, finished_job.JOB)
    page = results.page(6_664, 50, (Status.FAILED,))
    assert ([row["row"] for row in page.rows], page.matching) == ([19_995, 19_998], 6_666)
    both = results.page(0, 3, (Status.FAILED, Status.OK))
    assert [row["row"] for row in both.rows] == [1, 2, 3]
    assert both.rows[1]["dec"] is None
    assert both.rows[0]["user"] == {"mine": "x"}
    assert page.total_files == 12_345
    assert results.page(0, 3, (Status.PARTIAL,)).rows == []
    assert results.page(COUNT, 3).rows == []


def test_the_index_is_for_the_service_alone() -> None:
    assert not is_public(row_index_key(JOB).removeprefix(f"{JOB}/"))


def test_a_job_that_is_not_finished_has_no_index(files: LocalFiles) -> None:
    with pytest.raises(FileNotFoundError):
        RowIndex.read(files, "1" * 32)


def test_an_index_of_an_earlier_version_is_read_and_knows_no_number_of_files(
    files: LocalFiles, tmp_path: Path
) -> None:
    with files.open(row_index_key(JOB)) as stream:
        data = stream.read()
    earlier = LocalFiles(tmp_path)
    earlier.write(row_index_key(JOB), data[:-8])
    index = RowIndex.read(earlier, JOB)
    assert (index.entries == RowIndex.read(files, JOB).entries).all()
    assert index.files is None
    earlier.write(row_index_key(JOB), b"")
    assert RowIndex.read(earlier, JOB).counts() == dict.fromkeys(Status, 0)
