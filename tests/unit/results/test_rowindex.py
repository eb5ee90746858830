"""Rows of a job, looked up: in a finished one by the index, in a working one from its journals."""

import json
from pathlib import Path

import pytest

from soda_service.request.options import default_options
from soda_service.results.rowindex import RowIndex, RowIndexWriter
from soda_service.results.rowpages import page_of_journal, page_of_rows
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Row, Status
from soda_service.results.tree import is_public, row_index_key
from tests.synthetic import RELEASE
from uws.files import LocalFiles

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
        writer.close()
    return files


def test_every_row_is_found(files: LocalFiles) -> None:
    index = RowIndex.read(files, JOB)
    assert index.counts() == dict.fromkeys(Status, 0) | {Status.OK: 13_334, Status.FAILED: 6_666}
    for first in (0, 8_191, 8_192, COUNT - 3):
        found = index.load(files, JOB, index.numbers()[first : first + 3])
        assert found == [told(number) for number in range(first, first + 3)]


def test_rows_are_chosen_by_status(files: LocalFiles) -> None:
    page = page_of_rows(files, JOB, start=6_664, count=50, statuses=(Status.FAILED,))
    assert ([row["row"] for row in page.rows], page.matching) == ([19_995, 19_998], 6_666)
    both = page_of_rows(files, JOB, start=0, count=3, statuses=(Status.FAILED, Status.OK))
    assert [row["row"] for row in both.rows] == [1, 2, 3]
    assert both.rows[1]["dec"] is None
    assert both.rows[0]["user"] == {"mine": "x"}
    assert page_of_rows(files, JOB, start=0, count=3, statuses=(Status.PARTIAL,)).rows == []
    assert page_of_rows(files, JOB, start=COUNT, count=3).rows == []


def test_the_index_is_for_the_service_alone() -> None:
    assert not is_public(row_index_key(JOB).removeprefix(f"{JOB}/"))


def test_a_job_that_is_not_finished_has_no_index(files: LocalFiles) -> None:
    with pytest.raises(FileNotFoundError):
        page_of_rows(files, "1" * 32, start=0, count=1)


def test_a_working_job_tells_what_is_done_in_order(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.write(f"{JOB}/thumbnails/J1_g.fits.jpg", b"small")
    options = default_options(RELEASE)

    def row(number: int, status: Status) -> Row:
        entry = FileEntry("J1_g.fits", "T/J1/J1_g.fits", "fits", ("g",), "application/fits", 1, "")
        planned = PlannedRow(number, None, 1.0, 2.0, 1.0, 2.0, "T", "T", f"J{number}", options)
        return Row(planned, Outcome(status, files=(entry,) if status is Status.OK else ()))

    rows = [row(3, Status.OK), row(1, Status.OK), row(2, Status.FAILED)]
    page = page_of_journal(files, JOB, rows, start=0, count=2)
    assert [each["row"] for each in page.rows] == [1, 2]
    assert (page.matching, page.is_whole) == (3, False)
    assert page.rows[0]["thumbnail"] == "thumbnails/J1_g.fits.jpg"
    assert (page.rows[0]["folder"], page.rows[1]["thumbnail"]) == ("T/J1", None)
    failed = page_of_journal(files, JOB, rows, start=0, count=9, statuses=(Status.FAILED,))
    assert [each["row"] for each in failed.rows] == [2]
    assert failed.counts["ok"] == 2
