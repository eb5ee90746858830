"""Rows of a chunk whose workers fail: the row that was cut is given up, never one that waits."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from typing_extensions import override

from soda_service.cutouts.chunk import cut_for_the_last_time, cut_rows, give_up_row
from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.journal import open_journal
from soda_service.errors import SourceUnavailable
from soda_service.request.values import CutoutOptions
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Row, Status
from soda_service.results.tree import lines_key, plan_key
from tests.joblogs import add_lines, lines_of
from tests.toyjob import new_toy
from uws.files import Log
from uws.jobtype import JobContext
from uws.localfiles import LocalFiles
from uws.models import Chunk, ChunkReport, Job

OPTIONS = CutoutOptions(
    xsize_arcmin=1.0,
    ysize_arcmin=1.0,
    xpix=None,
    ypix=None,
    edge="trim",
    make_fits=True,
    colors_fits=("g",),
    discard_fits_files=False,
    values=(
        *(("MAKE_RGB_STIFF", False), ("RGB_STIFF_COLORS", ())),
        *(("MAKE_RGB_LUPTON", False), ("RGB_LUPTON_COLORS", ())),
        *(("RGB_MINIMUM", 1.0), ("RGB_STRETCH", 50.0), ("RGB_ASINH", 10.0)),
    ),
)


class Killed(BaseException):
    """Stands for a signal that ends the process: nothing catches it."""


@dataclass(frozen=True, slots=True)
class Context:
    """A step whose lease never ends."""

    files: LocalFiles
    job: Job = field(default_factory=new_toy)

    def heartbeat(self) -> None: ...

    def item_done(self) -> None: ...


@dataclass(slots=True)
class Scissors:
    """Cuts nothing: does at a row, or at a tile, what it is told to."""

    faults: dict[int | str, BaseException]
    tried: list[int] = field(default_factory=list)

    def expect(self, rows: Iterable[PlannedRow]) -> None:
        """Nothing is placed."""

    def announce(self, row: PlannedRow) -> None:
        """Nothing is read."""

    def cut(self, row: PlannedRow) -> Outcome:
        self.tried.append(row.number)
        for place in (row.number, row.tile):
            if place in self.faults:
                raise self.faults[place]
        return Outcome(Status.OK)


def away(tile: str) -> SourceUnavailable:
    return SourceUnavailable(f"{tile} is away")


def plan(context: Context, tiles: Sequence[str]) -> Chunk:
    """Plan one row for each letter, which names its tile."""
    rows = [
        Row(PlannedRow(n, None, 1.0, 2.0, 1.0, 2.0, tile, "", f"J{n}", OPTIONS))
        for n, tile in enumerate(tiles, start=1)
    ]
    context.files.write(plan_key("job", 0), b"".join(row.to_line() for row in rows))
    return Chunk("job", 0, {}, len(rows))


def given_up(context: Context, chunk: Chunk, scissors: Scissors, *, tries: int = 2) -> list[int]:
    """Work as the server does until the data in reach are cut; gives the rows given up."""
    ctx, cutter = cast(JobContext, context), cast(Cutter, scissors)
    found: list[int] = []
    failures = 0
    for _ in range(30):
        try:
            cut_rows(ctx, replace(chunk, attempts=failures + 1), cutter)
        except SourceUnavailable:
            return found
        except (ZeroDivisionError, Killed):
            failures += 1
            if failures >= tries:
                failures = 0
                before = statuses(context)
                give_up_row(ctx, chunk, "its fault")
                found += [n for n in statuses(context) if n not in before]
        else:
            return found
    raise AssertionError(f"no end: {found}")


def statuses(context: Context) -> Mapping[int, Status]:
    """Read how rows ended, from the lines of the journal."""
    found = {}
    for line in lines_of(context.files, lines_key("job", 0)):
        if line.startswith(b'{"n":'):
            row = Row.from_line(line)
            assert row.outcome is not None
            found[row.planned.number] = row.outcome.status
    return found


class BatchFiles(LocalFiles):
    """Files whose logs keep lines when they are flushed; one that is killed loses the others."""

    @contextmanager
    @override
    def log(self, key: str) -> Iterator[Log]:
        with super().log(key) as log:
            batch = Batch(log)
            try:
                yield batch
            except Killed:
                raise
            except BaseException:
                batch.flush()
                raise
            batch.flush()


@dataclass
class Batch:
    """Lines that wait."""

    log: Log
    waiting: list[bytes] = field(default_factory=list)

    def add(self, line: bytes) -> None:
        self.waiting.append(line)

    def flush(self) -> None:
        for line in self.waiting:
            self.log.add(line)
        self.waiting.clear()


@pytest.fixture(params=[LocalFiles, BatchFiles])
def context(tmp_path: Path, request: pytest.FixtureRequest) -> Context:
    return Context(request.param(tmp_path))


FAULTS: list[Callable[[], BaseException]] = [ZeroDivisionError, Killed]


@pytest.mark.parametrize("fault", FAULTS, ids=["bug", "kill"])
@pytest.mark.parametrize(
    ("tiles", "faulty"),
    [
        ("AAAAABCC", [6]),
        ("ABBAC", [3]),
        ("BABAB", [3, 5]),
        ("BABAB", [1, 5]),
        ("BBA", [1]),
        ("ADBBA", [3]),
        ("BBBBC", [4]),
        ("BBBBBB", [3, 6]),
    ],
)
def test_rows_that_wait_are_not_given_up_for_another(
    context: Context, tiles: str, faulty: list[int], fault: Callable[[], BaseException]
) -> None:
    """A and D are away, and back when the faulty rows are done with."""
    chunk = plan(context, tiles)
    scissors = Scissors({n: fault() for n in faulty} | {"A": away("A"), "D": away("D")})
    assert given_up(context, chunk, scissors) == faulty
    del scissors.faults["A"], scissors.faults["D"]
    report = cut_rows(cast(JobContext, context), chunk, cast(Cutter, scissors))
    assert (report.done, report.failed) == (len(tiles) - len(faulty), len(faulty))
    failed = [n for n, status in statuses(context).items() if status is Status.FAILED]
    assert failed == faulty


@pytest.mark.parametrize("fault", FAULTS, ids=["bug", "kill"])
def test_a_row_that_came_back_is_to_blame_for_itself(
    context: Context, fault: Callable[[], BaseException]
) -> None:
    """A kill by chance at row 2, while row 1 was away, is not held against row 2 later."""
    chunk = plan(context, "AB")
    ctx, scissors = cast(JobContext, context), Scissors({"A": away("A"), 2: fault()})
    with pytest.raises((ZeroDivisionError, Killed)):
        cut_rows(ctx, chunk, cast(Cutter, scissors))
    assert given_up(context, chunk, Scissors({1: fault()})) == [1]
    assert statuses(context) == {1: Status.FAILED, 2: Status.OK}


def test_the_last_time_too_the_row_that_was_cut_is_given_up(context: Context) -> None:
    chunk = plan(context, "ABB")
    ctx = cast(JobContext, context)
    chance = Scissors({"A": away("A"), 2: Killed()})
    with pytest.raises(Killed):
        cut_rows(ctx, chunk, cast(Cutter, chance))
    with pytest.raises(Killed):
        cut_for_the_last_time(ctx, chunk, cast(Cutter, Scissors({1: Killed()})))
    assert give_up_row(ctx, chunk, "its fault") is None
    assert statuses(context) == {1: Status.FAILED}
    last = Scissors({"A": away("A")})
    report = cut_for_the_last_time(ctx, chunk, cast(Cutter, last))
    assert (report.done, report.failed) == (2, 1)


def test_where_nothing_is_away_nothing_is_noted_but_rows(context: Context) -> None:
    chunk = plan(context, "ABC")
    cut_rows(cast(JobContext, context), chunk, cast(Cutter, Scissors({})))
    assert len(lines_of(context.files, lines_key("job", 0))) == 3


def test_a_torn_mark_counts_for_nothing(context: Context) -> None:
    chunk = plan(context, "AB")
    add_lines(context.files, lines_key("job", 0), b'{"cutting":')
    assert give_up_row(cast(JobContext, context), chunk, "its fault") is None
    assert statuses(context) == {1: Status.FAILED}


def test_of_a_row_worked_twice_the_first_account_counts(context: Context) -> None:
    """As when its results are joined."""
    chunk = plan(context, "A")
    with context.files.open(plan_key("job", 0)) as stream:
        row = Row.from_line(stream.readline())
    for status, size_bytes in ((Status.OK, 5), (Status.FAILED, 7)):
        file = FileEntry("a.fits", "A/a.fits", "fits", (), "application/fits", size_bytes, "")
        line = row.with_outcome(Outcome(status, files=(file,))).to_line()
        add_lines(context.files, lines_key("job", 0), line)
    expected = ChunkReport(1, 0, 5)
    with open_journal(context.files, "job", 0, is_careful=False) as journal:
        assert journal.report() == expected
        journal.add(row.with_outcome(Outcome(Status.FAILED)))
        assert journal.report() == expected
    assert chunk.total == 1


def test_a_disk_that_refuses_the_mark_leaves_the_row(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = plan(context, "AB")
    scissors = Scissors({"A": away("A")})

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr("uws.localfiles._LocalLog.add", refuse)
        with pytest.raises(OSError, match="full"):
            cut_rows(cast(JobContext, context), chunk, cast(Cutter, scissors))
    assert scissors.tried == [1]
