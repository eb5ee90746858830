"""What mails and webhooks tell of a job, read from what it left."""

import re
from pathlib import Path

from soda_service.notify.report import FailedRow, JobReport, read_report
from soda_service.notify.texts import Service, ended_letter
from soda_service.results.rows import Status
from soda_service.results.tree import row_index_key
from tests.finished_job import JOB, entry, finish, made_row, write_row
from uws.localfiles import LocalFiles

LONG = "x" * 1_000_000


def finished(files: LocalFiles) -> JobReport:
    rows = [made_row(n, Status.UNMATCHED, extra={LONG: LONG}) for n in range(1, 8)]
    rows += [made_row(8, Status.OK, entry("a.fits")), made_row(9, Status.NO_COVERAGE)]
    finish(files, rows, [LONG])
    return read_report(JOB, files)


def test_counts_and_first_failures_are_told_whatever_the_user_s_cells(tmp_path: Path) -> None:
    report = finished(LocalFiles(tmp_path))
    assert report == JobReport(
        "",
        9,
        {"ok": 1, "partial": 0, "no_coverage": 1, "unmatched": 7, "failed": 0},
        files=1,
        failures=tuple(FailedRow(n, "unmatched", f"why {n}") for n in range(1, 6)),
    )
    assert report.good == 1


def test_a_job_without_documents_has_no_counts(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    write_row(files, made_row(1))
    assert read_report(JOB, files) == JobReport("", 0)


def test_files_of_a_job_of_an_earlier_version_are_not_counted(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    finished(files)
    with files.open(row_index_key(JOB.id)) as stream:
        data = stream.read()
    files.write(row_index_key(JOB.id), data[:-8])
    report = read_report(JOB, files)
    assert (report.rows, report.files) == (9, None)
    letter = ended_letter(Service("Sky", "http://x"), JOB, report)
    assert re.search(r"Files: +0\s\w+\n", letter.text)
