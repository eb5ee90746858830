"""What a job has made, read back: rows, files, failures; finished and working."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from soda_service.pages.downloads import FILE_LISTS, file_list, log_so_far
from soda_service.results import reading
from soda_service.results.reading import NOT_OK, JobResults
from soda_service.results.rows import Row, Status
from soda_service.results.tree import plan_summary_key
from soda_service.vo.joblinks import manifest_links
from tests.finished_job import JOB, entry, finish, made_row, write_row
from uws.errors import WrongPhaseError
from uws.localfiles import LocalFiles
from uws.models import Phase

COLUMNS = ("FITS_COLORS", "STATUS", "my name")
OWN = {"FITS_COLORS": "g", "STATUS": "good", "my name": "é"}
FIRST, SECOND, THIRD = entry("J1_g.fits"), entry("J1_r.fits"), entry("J2_g.fits")
LONG = "x" * 1_000_000
"""Longer than the csv module reads unless it is told; a table may have such a cell."""

ROWS = (
    made_row(1, Status.OK, FIRST, extra=OWN),
    made_row(2, Status.PARTIAL, FIRST, SECOND, extra=OWN, repeats=("_g.fits",)),
    made_row(3, Status.FAILED, extra=OWN),
    made_row(4, Status.OK, THIRD, extra=OWN),
    made_row(5, Status.OK, SECOND, FIRST, extra=OWN, repeats=("_g.fits", "_r.fits")),
)


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path)


@pytest.fixture
def results(files: LocalFiles) -> JobResults:
    """Give what a finished job has made."""
    finish(files, ROWS, COLUMNS)
    return JobResults(files, JOB)


def working(files: LocalFiles, *rows: Row) -> JobResults:
    for number, row in enumerate(rows):
        write_row(files, row, chunk=number % 2)
    return JobResults(files, replace(JOB, phase=Phase.EXECUTING))


# Rows


def test_rows_are_told_the_same_of_a_finished_and_a_working_job(
    results: JobResults, tmp_path: Path
) -> None:
    whole = results.page(0, 10)
    so_far = working(LocalFiles(tmp_path / "working"), *reversed(ROWS)).page(0, 10)
    assert whole.rows == so_far.rows
    assert (whole.counts, whole.matching) == (so_far.counts, so_far.matching)
    assert (whole.is_whole, so_far.is_whole) == (True, False)
    assert (whole.total_files, so_far.total_files) == (3, None)
    assert whole.rows[1] == {
        "row": 2, "ra": 1.5, "dec": -2.5, "object_id": None, "tile": "T+1", "name": "J1",
        "status": "partial", "message": "why 2", "size_pix": [10, 20], "coverage": 0.5,
        "folder": "T+1/J1", "files": ["J1_g.fits", "J1_r.fits"], "user": OWN, "thumbnail": None,
    }  # fmt: skip


def test_pages_of_rows_of_a_working_job_are_in_input_order(files: LocalFiles) -> None:
    files.write(f"{JOB.id}/thumbnails/J1_g.fits.jpg", b"small")
    results = working(files, made_row(3, Status.OK, FIRST), made_row(1), made_row(2, Status.FAILED))
    page = results.page(0, 2)
    assert [row["row"] for row in page.rows] == [1, 2]
    assert (page.matching, page.counts["ok"], page.is_whole) == (3, 2, False)
    assert [row["row"] for row in results.page(0, 9, (Status.FAILED,)).rows] == [2]
    assert results.page(2, 9).rows[0]["thumbnail"] == "thumbnails/J1_g.fits.jpg"


def test_a_row_that_was_worked_twice_counts_once(files: LocalFiles) -> None:
    results = working(files, made_row(1, Status.OK, FIRST), made_row(1, Status.FAILED))
    assert results.page(0, 9).counts["ok"] == results.page(0, 9).matching == 1
    assert [each.id for each in results.partial_results(most=9)] == ["J1_g.fits"]


def test_of_a_working_job_so_many_rows_are_looked_at(
    files: LocalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOOKED_AT_MAX", 2)
    assert working(files, *ROWS).page(0, 9).matching == 2


def test_a_job_that_has_not_begun_has_made_nothing(files: LocalFiles) -> None:
    results = working(files)
    page = results.page(0, 9)
    assert (list(page.rows), page.matching, page.is_whole) == ([], 0, False)
    assert results.partial_results(most=9) == []


@pytest.mark.parametrize("columns", [(), ("FITS_COLORS",), ("my name", "RA_ADJUSTED", "ra")])
@pytest.mark.parametrize("plan", [None, b"{}"], ids=["plan", "plan of an earlier version"])
def test_user_columns_are_those_of_the_table(
    files: LocalFiles, columns: tuple[str, ...], plan: bytes | None
) -> None:
    own = {name: f"the {name}" for name in columns}
    finish(files, [made_row(1, extra=own)], columns)
    if plan is not None:
        files.write(plan_summary_key(JOB.id), plan)
    assert JobResults(files, JOB).page(0, 1).rows[0]["user"] == own


# Files


def test_files_that_rows_share_are_listed_once(results: JobResults) -> None:
    listed = [each["file"] for each in results.cutout_files()]
    assert listed == [FIRST.path, SECOND.path, THIRD.path]
    records = list(results.manifest())
    assert [each["row"] for each in records] == ["1", "2", "2", "3", "4", "5", "5"]


def test_paths_of_one_hash_are_both_listed(
    results: JobResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "hash", len, raising=False)
    listed = [each["file"] for each in results.cutout_files()]
    assert listed == [FIRST.path, SECOND.path, THIRD.path]


def test_files_so_far_are_those_of_the_end(files: LocalFiles) -> None:
    results = working(files, *reversed(ROWS))
    assert [each.id for each in results.partial_results(most=9)] == [
        "J1_g.fits", "J1_r.fits", "J2_g.fits",
    ]  # fmt: skip
    assert len(results.partial_results(most=1)) == 1


def test_lists_and_tables_need_a_finished_job(files: LocalFiles) -> None:
    results = working(files, *ROWS)
    with pytest.raises(WrongPhaseError, match="is EXECUTING; its files are listed once"):
        results.cutout_files()
    with pytest.raises(WrongPhaseError, match="is EXECUTING; its failed rows are listed once"):
        results.failed_table()
    # While the job is finalized the positions table appears before the index of rows.
    files.write(f"{JOB.id}/positions_{JOB.id}.csv", b"RA,DEC\n")
    with pytest.raises(WrongPhaseError, match="is EXECUTING; its failed rows are listed once"):
        results.failed_table()


def test_the_log_so_far_tells_what_is_done(files: LocalFiles) -> None:
    log = log_so_far(JOB, working(files, *ROWS))
    assert log.count(" row ") == len(ROWS)
    assert f"job {JOB.id} created" in log


# Failures


def test_failed_rows_are_a_table(results: JobResults) -> None:
    table = list(csv.DictReader(io.StringIO("".join(results.failed_table()), newline="")))
    assert [(row["RA"], row["my name"], row["STATUS"]) for row in table] == [
        ("1.5", "é", "good")
    ] * 2
    assert [row["row"] for row in results.page(0, 9, NOT_OK).rows] == [2, 3]


def test_cells_of_a_million_characters_are_read(files: LocalFiles) -> None:
    own = {LONG: LONG}
    finish(files, [made_row(1, Status.FAILED, FIRST, extra=own)], (LONG,))
    results = JobResults(files, JOB)
    assert results.page(0, 1).rows[0]["user"] == own
    header, row = csv.reader(io.StringIO("".join(results.failed_table()), newline=""))
    assert (header[-1], row[-1]) == (LONG, LONG)
    for form in FILE_LISTS:
        assert "J1_g.fits" in "".join(file_list(results, form=form, results_url="http://x"))
    (link,) = manifest_links(JOB, results.manifest(), "https://moved.example/async/1")
    assert link.local_semantics == "g"
    # service F30: after a move of the service, all of them were those of the day the job was made
    # (QGIS-Django 57, opencaching-pl 1618).
    assert link.access_url.startswith("https://moved.example/async/1/results/")
    assert link.access_url.endswith("J1_g.fits")
