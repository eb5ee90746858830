"""Rows from the plan to the documents, without cutting anything."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soda_service.cutouts import planning
from soda_service.cutouts.finalize import finalize_results
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.planning import plan_cutouts
from soda_service.errors import Fault, OptionsError
from soda_service.pixels.reader import TileReader
from soda_service.request.options import default_options
from soda_service.request.rows import RequestRows
from soda_service.request.values import CutoutRequest, PositionRow, Table
from soda_service.results.rows import Outcome, Row, Status
from soda_service.results.summary import JobFacts
from soda_service.results.tree import lines_key, plan_key
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from tests.joblogs import add_lines
from tests.synthetic import DEC_DEG, RA_DEG, RELEASE, STEP_DEG
from uws.files import JobFiles
from uws.localfiles import LocalFiles
from uws.models import Job, Phase, Progress

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = default_options(RELEASE)


@dataclass
class Context:
    """A job without a server."""

    files: JobFiles
    total: int = 0
    items: list[int] = field(default_factory=list)

    @property
    def job(self) -> Job:
        return Job("j1", "cutout", "", Phase.EXECUTING, NOW, NOW, 0, progress=Progress(self.total))

    def heartbeat(self) -> None:
        """Nobody takes the job away."""

    def report_total(self, items: int) -> None:
        self.items.append(items)


@pytest.fixture
def sky(survey: Path) -> Iterator[Holdings]:
    catalogue = ObjectCatalogue(f"sqlite:///{survey / 'soda.db'}")
    yield Holdings(Releases([survey / "releases"]), catalogue, TileReader())
    catalogue.dispose()


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(LocalFiles(tmp_path))


def row(number: int, east_deg: float = 0.0, **fields: object) -> PositionRow:
    values = {"ra_deg": RA_DEG + east_deg, "dec_deg": DEC_DEG, "object_id": None} | fields
    return PositionRow(number, options=OPTIONS, **values)  # type: ignore[arg-type]


def plan(context: Context, sky: Holdings, rows: list[PositionRow | Fault], chunk_rows: int = 100):  # noqa: ANN201
    request = CutoutRequest("TEST1", OPTIONS, Table("rows, as they are given here"))
    given = RequestRows(iter(rows))
    return plan_cutouts(context, request, given, sky, chunk_rows=chunk_rows, rows_max=1000)


def planned(context: Context, chunk: int) -> list[Row]:
    with context.files.open(plan_key("j1", chunk)) as stream:
        return [Row.from_line(line) for line in stream]


def test_rows_of_a_tile_go_together(context: Context, sky: Holdings) -> None:
    rows = [row(n, STEP_DEG * (n % 2)) for n in range(1, 41)]
    made = plan(context, sky, [*rows], chunk_rows=10)
    assert [chunk.total for chunk in made.chunks] == [10] * 4
    tiles = [{r.planned.tile for r in planned(context, n)} for n in range(4)]
    assert tiles == [{"EAST0"}, {"EAST0"}, {"EAST1"}, {"EAST1"}]


def test_rows_go_up_the_tile_with_equal_positions_side_by_side(
    context: Context, sky: Holdings
) -> None:
    heights = [3, 1, 2, 1, 3, 0]
    rows = [row(n, dec_deg=DEC_DEG + 1e-4 * height) for n, height in enumerate(heights, 1)]
    plan(context, sky, [*rows])
    assert [r.planned.number for r in planned(context, 0)] == [6, 2, 4, 3, 1, 5]


def test_chunks_know_how_many_rows_the_job_has_in_their_tiles(
    context: Context, sky: Holdings
) -> None:
    rows = [row(n, STEP_DEG * (n % 5 == 0)) for n in range(1, 31)]
    made = plan(context, sky, [*rows], chunk_rows=10)
    numbers = [sky.releases.index(RELEASE).number(f"EAST{n}") for n in range(2)]
    expected = [[[numbers[0], 24]], [[numbers[0], 24]], [[numbers[0], 24], [numbers[1], 6]]]
    assert [chunk.spec["rows_of_tiles"] for chunk in made.chunks] == expected


@pytest.mark.parametrize(
    ("count", "totals"), [(1, [1]), (10, [10]), (12, [10, 2]), (320, [20] * 16)], ids=str
)
def test_small_jobs_are_spread_and_tiny_ones_are_not(
    context: Context, sky: Holdings, count: int, totals: list[int]
) -> None:
    made = plan(context, sky, [row(n) for n in range(1, count + 1)])
    assert [chunk.total for chunk in made.chunks] == totals


def test_rows_read_so_far_are_told(
    context: Context, sky: Holdings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_BATCH", 2)
    plan(context, sky, [row(1), row(2, 90), row(3)])
    assert context.items == [2, 3]


def test_unmatched_rows_need_no_chunk(context: Context, sky: Holdings) -> None:
    made = plan(context, sky, [row(1, 90), row(2, object_id=5, ra_deg=None, dec_deg=None)])
    assert (made.chunks, made.done) == ((), 2)
    with context.files.open(lines_key("j1", None)) as stream:
        outcomes = [Row.from_line(line).outcome for line in stream]
    assert [o.status for o in outcomes if o] == [Status.UNMATCHED] * 2
    assert "no object 5" in (outcomes[1].message if outcomes[1] else "")


def test_faults_of_all_batches_are_told_and_nothing_is_planned(
    context: Context, sky: Holdings
) -> None:
    faults = [Fault("bad", row=n) for n in range(1, 6001)]
    with pytest.raises(OptionsError) as told:
        plan(context, sky, [*faults])
    assert (len(told.value.faults), told.value.total) == (100, 6000)
    with pytest.raises(FileNotFoundError):
        context.files.stat(lines_key("j1", None))


def test_too_many_rows_are_refused(context: Context, sky: Holdings) -> None:
    with pytest.raises(OptionsError, match="1000"):
        plan(context, sky, [row(n) for n in range(1, 1002)])


def test_the_same_rows_give_the_same_plan(context: Context, sky: Holdings) -> None:
    rows = [row(n, 1e-4 * (n % 7)) for n in range(1, 31)]
    plan(context, sky, [*rows])
    first = [planned(context, n) for n in range(3)]
    plan(context, sky, [*rows])
    assert [planned(context, n) for n in range(3)] == first


def join(context: Context) -> dict[str, object]:
    facts = JobFacts("j1", "http://x/async/j1", "", "", RELEASE, OPTIONS)
    finalize_results(context, facts, results_listed_max=10, has_table=True)
    with context.files.open("j1/summary.json") as stream:
        content: dict[str, object] = json.load(stream)
    return content


def write_lines(context: Context, chunk: int, rows: list[Row]) -> None:
    done = Outcome(Status.OK, time="2026-01-01T00:00:00Z")
    lines = (each.with_outcome(done).to_line() for each in rows)
    add_lines(context.files, lines_key("j1", chunk), *lines)


def test_rows_come_out_in_input_order_once_each(context: Context, sky: Holdings) -> None:
    plan(context, sky, [row(n, STEP_DEG * (n % 2)) for n in range(1, 41)], chunk_rows=10)
    for chunk in (2, 0, 3, 1):
        write_lines(context, chunk, planned(context, chunk))
    write_lines(context, 1, planned(context, 1))  # worked twice
    context.total = 40
    summary = join(context)
    assert [cutout["ROW"] for cutout in summary["cutouts"]] == list(range(1, 41))  # type: ignore[attr-defined,index]


def test_torn_line_and_lost_chunk_become_failed_rows(context: Context, sky: Holdings) -> None:
    plan(context, sky, [row(n) for n in range(1, 13)])
    rows = planned(context, 0)
    write_lines(context, 0, rows[:-1])
    torn = rows[-1].with_outcome(Outcome(Status.OK)).to_line()[:40]
    add_lines(context.files, lines_key("j1", 0), torn)
    context.total = 12
    summary = join(context)
    assert summary["status"] == {
        "ok": 9,
        "partial": 0,
        "no_coverage": 0,
        "unmatched": 0,
        "failed": 3,
    }
    with context.files.open("j1/cutout_j1.log") as log:
        assert log.read().count(b"its worker left no record of this row") == 3
