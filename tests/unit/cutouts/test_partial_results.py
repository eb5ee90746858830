"""What a job that is not done shows of its files."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.job_type import CutoutJob
from soda_service.pixels.reader import TileReader
from soda_service.request.options import default_options
from soda_service.results.reading import JobResults
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Row, Status
from soda_service.results.tree import lines_key
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from tests.joblogs import add_lines
from tests.synthetic import RELEASE
from uws.localfiles import LocalFiles
from uws.models import Job, Phase, Progress, Result

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FITS = "application/fits"


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "jobs")


@pytest.fixture
def job_type(tmp_path: Path) -> Iterator[CutoutJob]:
    """Give the job type without any release: nothing is cut here."""
    catalogue = ObjectCatalogue(f"sqlite:///{tmp_path / 'soda.db'}")
    sky = Holdings(Releases([tmp_path]), catalogue, TileReader())
    yield CutoutJob(sky, CutoutsConfig())
    catalogue.dispose()


def _line(number: int, *names: str, status: Status = Status.OK) -> bytes:
    planned = PlannedRow(
        number, None, 1.0, 2.0, 1.0, 2.0, "TILE", "dir", "J", default_options(RELEASE)
    )
    entries = tuple(
        FileEntry(name, f"TILE/J/{name}", "fits", ("g",), FITS, 100 + number, "0" * 64)
        for name in names
    )
    return Row(planned, Outcome(status, files=entries)).to_line()


def _journal(files: LocalFiles, chunk: int | None, *lines: bytes) -> None:
    if chunk is None:
        files.write(lines_key("j1", chunk), b"".join(lines))
    else:
        add_lines(files, lines_key("j1", chunk), *lines)


def _job(phase: Phase, total: int) -> Job:
    return Job("j1", "cutout", "", phase, NOW, NOW, 0, progress=Progress(total))


def _files_so_far(files: LocalFiles, most: int) -> list[Result]:
    return JobResults(files, _job(Phase.EXECUTING, 0)).partial_results(most=most)


def test_nothing_is_there_before_the_first_row(files: LocalFiles) -> None:
    assert _files_so_far(files, most=10) == []


def test_files_stand_in_the_order_of_the_input_once_each(files: LocalFiles) -> None:
    _journal(files, None, _line(3, status=Status.UNMATCHED))
    _journal(files, 0, _line(2, "b_g.fits", "b_r.fits"), _line(5, "b_g.fits"))
    _journal(files, 1, _line(1, "a_g.fits"), _line(4), _line(6, "c_g.fits")[:-20])
    assert _files_so_far(files, most=10) == [
        Result("a_g.fits", "j1/TILE/J/a_g.fits", FITS, 101),
        Result("b_g.fits", "j1/TILE/J/b_g.fits", FITS, 102),
        Result("b_r.fits", "j1/TILE/J/b_r.fits", FITS, 102),
    ]


def test_of_many_files_the_first_ones_are_listed(files: LocalFiles) -> None:
    _journal(files, 0, *(_line(number, f"{number}.fits") for number in range(1, 30)))
    found = _files_so_far(files, most=3)
    assert [result.id for result in found] == ["1.fits", "2.fits", "3.fits"]


@pytest.mark.parametrize(
    ("phase", "total", "expected"),
    [
        (Phase.EXECUTING, 50, 200),
        (Phase.EXECUTING, 51, 0),
        (Phase.ABORTED, 50, 301),  # with the archive
        (Phase.ABORTED, 51, 301),
    ],
)
def test_what_is_listed_early_is_bounded(
    job_type: CutoutJob, files: LocalFiles, phase: Phase, total: int, expected: int
) -> None:
    rows = [_line(n, *(f"{n}_{band}.fits" for band in range(6))) for n in range(1, 51)]
    _journal(files, 0, *rows)
    found = job_type.partial_results(_job(phase, total), files)
    assert len(found) == expected
    assert [result.id for result in found].count("archive") == (phase is Phase.ABORTED)


def test_what_was_listed_stays_listed_while_other_rows_are_finished(
    job_type: CutoutJob, files: LocalFiles
) -> None:
    job = _job(Phase.EXECUTING, 4)
    lines = [_line(n, *(f"{n}_{band:02}.fits" for band in range(80))) for n in range(1, 5)]
    _journal(files, 1, *lines[2:])  # the second chunk comes first
    before = job_type.partial_results(job, files)
    _journal(files, 0, *lines[:2])
    after = job_type.partial_results(job, files)
    assert len(before) == 100
    assert len(after) == 200
    assert set(before) < set(after)


@pytest.mark.parametrize("phase", [Phase.EXECUTING, Phase.COMPLETED])
def test_a_link_that_was_listed_early_stays_good(
    job_type: CutoutJob, files: LocalFiles, phase: Phase
) -> None:
    _journal(files, 0, *(_line(number, f"{number}.fits") for number in range(1, 51)))
    found = job_type.find_result(_job(phase, 50), "50.fits", files)
    assert found == Result("50.fits", "j1/TILE/J/50.fits", FITS, 150)
    assert job_type.find_result(_job(phase, 50), "51.fits", files) is None
    assert job_type.find_result(_job(phase, 51), "50.fits", files) is None
