"""What a job does about rows that show a bug, and about data that are away."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soda_service.config.load import load_config
from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.estimate import estimate
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.job_type import CutoutJob, uws_error
from soda_service.errors import ConfigError, SourceUnavailable, TileUnreadable
from soda_service.pixels.reader import TileReader
from soda_service.results.rows import Outcome, PlannedRow
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from tests.synthetic import DEC_DEG, RA_DEG
from uws.errors import TooLargeError, UsageError
from uws.localfiles import LocalFiles
from uws.models import ErrorKind, Job, Parameter, Phase, Result
from uws.service import JobService
from uws.store import open_store
from uws.work.execution import InlineExecutor

TABLE = "RA,DEC\n" + "".join(f"{RA_DEG + n * 1e-4},{DEC_DEG}\n" for n in range(6))
BOTH = {"MAKE_RGB_STIFF": "true", "MAKE_RGB_LUPTON": "true"}


@pytest.fixture
def sky(survey: Path) -> Iterator[Holdings]:
    catalogue = ObjectCatalogue(f"sqlite:///{survey / 'soda.db'}")
    yield Holdings(Releases([survey / "releases"]), catalogue, TileReader())
    catalogue.dispose()


@pytest.fixture
def service(tmp_path: Path, sky: Holdings) -> Iterator[JobService]:
    config = load_config(data=tmp_path, environ={})
    store = open_store(config.store_url())
    store.migrate()
    job_type = CutoutJob(sky, config.cutouts)
    executor = InlineExecutor(
        store, LocalFiles(tmp_path / "jobs"), job_types={job_type.name: job_type}
    )
    yield JobService(executor.runtime)
    store.close()


def run(service: JobService, **parameters: str) -> Job:
    values = [Parameter(name, value) for name, value in parameters.items()]
    job = service.create("", values, job_type="cutout", run=True)
    return service.get("", job.id)  # it was worked meanwhile


def summary_of(service: JobService, job: Job) -> dict[str, Any]:
    with service.runtime.files.open(f"{job.id}/summary.json") as stream:
        content: dict[str, Any] = json.load(stream)
    return content


def test_a_bug_at_a_row_fails_that_row_alone(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = Cutter.cut
    tried: list[int] = []

    def cut_or_break(self: Cutter, row: PlannedRow) -> Outcome:
        tried.append(row.number)
        if row.number in {2, 5}:
            raise ZeroDivisionError
        return cut(self, row)

    monkeypatch.setattr(Cutter, "cut", cut_or_break)
    job = run(service, POSITIONS=TABLE)
    assert job.phase == Phase.COMPLETED
    rows = summary_of(service, job)["cutouts"]
    assert [row["STATUS"] for row in rows] == ["ok", "failed", "ok", "ok", "failed", "ok"]
    assert "internal error, reference" in rows[1]["MESSAGE"]
    # The same bug at another row is not tried again.
    assert sorted(tried) == [1, 2, 2, 2, 3, 4, 5, 6]
    assert (job.progress.done, job.progress.failed) == (4, 2)


def test_a_chunk_that_cannot_be_accounted_for_keeps_the_counts_of_what_it_did(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the disk gets full for good: what its journal has was done all the same."""
    cut = Cutter.cut

    def cut_or_break(self: Cutter, row: PlannedRow) -> Outcome:
        if row.number == 4:
            raise ZeroDivisionError
        return cut(self, row)

    def refuse(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Cutter, "cut", cut_or_break)
    monkeypatch.setattr(CutoutJob, "give_up_chunk", refuse)
    job = run(service, POSITIONS=TABLE)
    assert job.phase == Phase.COMPLETED
    rows = summary_of(service, job)["cutouts"]
    assert [row["STATUS"] for row in rows] == ["ok"] * 3 + ["failed"] * 3
    assert (job.progress.total, job.progress.done, job.progress.failed) == (6, 3, 3)


@pytest.mark.parametrize("most", [2, 1000])
def test_an_aborted_job_lists_what_was_cut(
    tmp_path: Path, sky: Holdings, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    cut, cutouts = Cutter.cut, CutoutsConfig(results_listed_max=most)
    store = open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    store.migrate()
    files = LocalFiles(tmp_path / "jobs")
    job_types = {"cutout": CutoutJob(sky, cutouts)}
    service = JobService(InlineExecutor(store, files, job_types=job_types).runtime)

    def cut_or_abort(self: Cutter, row: PlannedRow) -> Outcome:
        if row.number == 4:
            service.abort("", next(store.find.list("")).id)
        return cut(self, row)

    monkeypatch.setattr(Cutter, "cut", cut_or_abort)
    job = run(service, POSITIONS=TABLE, COLORS_FITS="g")
    assert job.phase == Phase.ABORTED
    *cutouts_left, archive = job.results
    assert archive == Result("archive", "archive", "application/gzip")
    assert len(cutouts_left) == min(most, 3)
    for result in cutouts_left:
        folder, name = result.key.rsplit("/", 1)
        assert (result.id, result.media_type) == (name, "application/fits")
        assert folder.startswith(f"{job.id}/EAST0/")
        assert result.size_bytes == files.stat(result.key).size_bytes
    content = job_types["cutout"].stream_result(job, archive, files)
    assert content is not None
    assert len(b"".join(content)) > 1000
    store.close()


def test_data_that_are_away_for_all_rows_end_the_job(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Outcome:
        raise SourceUnavailable("the release's root directory is gone")

    monkeypatch.setattr(Cutter, "cut", away)
    job = run(service, POSITIONS=TABLE)
    assert job.phase == Phase.ERROR
    assert job.error is not None
    assert job.error.kind == ErrorKind.TRANSIENT
    assert job.error.message == "ServiceUnavailable: the release's root directory is gone"


def test_blank_table_beside_a_position_counts_for_nothing(service: JobService) -> None:
    job = run(service, POSITIONS=" ", RA="30", DEC="-20")
    assert job.phase == Phase.COMPLETED
    assert len(summary_of(service, job)["cutouts"]) == 1


def test_a_table_longer_than_a_job_may_be_is_413(tmp_path: Path, sky: Holdings) -> None:
    limits = {"cutouts": {"rows_max": 3}}
    settings = load_config(environ={}, overrides=limits).cutouts
    parameters = [Parameter("POSITIONS", TABLE)]
    files = LocalFiles(tmp_path)
    with pytest.raises(TooLargeError, match="more than 3 rows"):
        CutoutJob(sky, settings).check(parameters, files)
    found = estimate(parameters, files, sky, settings, rows_per_s=None)
    assert (found.total_faults, found.rows) == (1, 3)


def test_a_broken_configuration_is_not_told_to_users(caplog: pytest.LogCaptureFixture) -> None:
    told = str(uws_error(ConfigError("/srv/data/x.tiles.csv: there is no column dec")))
    assert "/srv" not in told
    assert "/srv/data/x.tiles.csv" in caplog.text
    assert told.rpartition(" ")[2] in caplog.text


def test_a_damaged_tile_has_a_reference_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Security L13: /sync answered 500 and the log said nothing."""
    told = str(uws_error(TileUnreadable("T1_g.fits: truncated")))
    assert told.startswith("Error: T1_g.fits: truncated, reference ")
    assert told.rpartition(" ")[2] in caplog.text


def test_job_name_is_told(service: JobService) -> None:
    job = run(service, RA="30", DEC="-20", JOBNAME="my galaxies")
    assert summary_of(service, job)["options"]["jobname"] == "my galaxies"


def test_a_long_table_is_refused_by_its_lines(tmp_path: Path, sky: Holdings) -> None:
    limits = {"cutouts": {"rows_max": 5, "rows_checked_at_once": 2}}
    job_type = CutoutJob(sky, load_config(environ={}, overrides=limits).cutouts)
    files = LocalFiles(tmp_path)
    with pytest.raises(TooLargeError, match="more than 5 rows"):
        job_type.check([Parameter("POSITIONS", TABLE)], files)
    assert job_type.check([Parameter("POSITIONS", TABLE.rpartition("30.0005")[0])], files) == ()


def test_what_has_no_effect_is_told(service: JobService) -> None:
    job = run(service, RA="30", DEC="-20", EMAIL="a@example.org", RESPONSEFORMAT="png")
    assert [note.partition(":")[0] for note in job.notes] == ["EMAIL"]


@pytest.mark.parametrize(
    ("wanted", "endings"),
    [
        ({"RESPONSEFORMAT": "fits"}, ["_i.fits"]),
        ({"RESPONSEFORMAT": "png"}, ["_i.png"]),
        ({"RESPONSEFORMAT": "image/jpeg", "COLORS_FITS": "g,r"}, ["_g.jpg", "_r.jpg"]),
        ({"RESPONSEFORMAT": "jpeg", **BOTH}, ["_irg_stiff.jpg", "_irg_lupton.jpg"]),
        (
            {"RESPONSEFORMAT": "png", "MAKE_FITS": "false", "MAKE_RGB_STIFF": "true"},
            ["_irg_stiff.png"],
        ),
    ],
    ids=["fits", "grey-png", "grey-jpeg", "colour-jpeg", "colour-png"],
)
@pytest.mark.parametrize(
    ("position", "rows"),
    [({"RA": "30", "DEC": "-20"}, 1), ({"POSITIONS": TABLE}, 6)],
    ids=["position", "table"],
)
def test_a_job_makes_the_format_that_is_asked_for(
    service: JobService,
    position: dict[str, str],
    rows: int,
    wanted: dict[str, str],
    endings: list[str],
) -> None:
    job = run(service, **position, **wanted)
    assert (job.phase, job.notes) == (Phase.COMPLETED, ())
    found = [row["FILES"] for row in summary_of(service, job)["cutouts"]]
    assert [[name[name.index("_") :] for name in names] for names in found] == [endings] * rows


def test_pictures_of_nothing_are_refused(service: JobService) -> None:
    wanted = {"RESPONSEFORMAT": "jpeg", "MAKE_FITS": "false"}
    with pytest.raises(UsageError, match="no output selected"):
        run(service, RA="30", DEC="-20", **wanted)


@pytest.mark.parametrize(
    ("wanted", "files", "size_bytes"),
    [
        ({"RESPONSEFORMAT": "png"}, 1, int(40 * 20 * 0.65)),
        ({"RESPONSEFORMAT": "jpeg", "COLORS_FITS": "g,r"}, 2, 2 * int(40 * 20 * 0.25)),
        ({"RESPONSEFORMAT": "png", **BOTH}, 2, 2 * int(3 * 40 * 20 * 0.65)),
        ({"RESPONSEFORMAT": "jpeg", **BOTH}, 2, 2 * int(3 * 40 * 20 * 0.25)),
    ],
    ids=["grey-png", "grey-jpeg", "colour-png", "colour-jpeg"],
)
def test_pictures_are_estimated_without_fits(
    tmp_path: Path, sky: Holdings, wanted: dict[str, str], files: int, size_bytes: int
) -> None:
    asked = {"RA": "30", "DEC": "-20", "XPIX": "40", "YPIX": "20", **wanted}
    parameters = [Parameter(name, value) for name, value in asked.items()]
    found = estimate(parameters, LocalFiles(tmp_path), sky, CutoutsConfig(), rows_per_s=None)
    assert (found.files, found.size_bytes) == (files, size_bytes)
