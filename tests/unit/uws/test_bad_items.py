"""Items that fail within a chunk: each has its tries, and all of them together have an end."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from tests.toyjob import ToyJob, queue_toy, run_toy, set_type
from uws.errors import TransientError
from uws.jobtype import JobContext
from uws.models import Chunk, ChunkReport, Phase, Progress
from uws.runtime import Runtime
from uws.work.steps import plan_job

REFERENCE = "internal error, reference ([0-9a-f]{12})"


@dataclass(eq=False)
class Careful(ToyJob):
    """Works item after item and notes those that are done; gives up the first that is not."""

    work: Callable[[int], None]
    done: list[int] = field(default_factory=list)
    given_up: dict[int, str] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        for item in self._left(chunk):
            self.begun.append(item)
            self.work(item)
            self.done.append(item)
            context.item_done()
        return ChunkReport(len(self.done), len(self.given_up))

    @override
    def give_up_chunk(
        self, context: JobContext, chunk: Chunk, reason: str, *, is_whole: bool
    ) -> ChunkReport | None:
        self.given_up[self._left(chunk)[0]] = reason
        return None if self._left(chunk) else ChunkReport(len(self.done), len(self.given_up))

    def _left(self, chunk: Chunk) -> list[int]:
        return [n for n in chunk.spec["items"] if n not in self.done and n not in self.given_up]


def fail_at(*items: int) -> Callable[[int], None]:
    def work(item: int) -> None:
        if item in items:
            raise ValueError(f"a bug that item {item} shows")

    return work


def test_one_bad_item_uses_up_its_own_tries_only(inline: Runtime) -> None:
    careful = Careful(fail_at(2))
    job = run_toy(set_type(inline, careful), WORD="sky", TIMES="5", CHUNKS="1")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(5, 4, 1))
    assert careful.begun == [0, 1, 2, 2, 2, 3, 4]
    assert list(careful.given_up) == [2]
    assert re.fullmatch(REFERENCE, careful.given_up[2])


def test_bug_at_every_item_is_told_once(inline: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    careful = Careful(fail_at(*range(40)))
    job = run_toy(set_type(inline, careful), WORD="sky", TIMES="40", CHUNKS="1")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(40, 0, 40))
    assert careful.begun == [0, 0, *range(40)], "the tries of one item tell enough"
    (reason,) = set(careful.given_up.values())
    (traceback,) = [record for record in caplog.records if record.exc_info]
    assert traceback.levelno == logging.ERROR
    found = re.fullmatch(REFERENCE, reason)
    assert found is not None
    assert traceback.getMessage() == f"chunk failed, try 1, reference {found[1]}"
    again = f"chunk failed, try 1, by the bug of reference {found[1]}: "
    assert f"{again}ValueError('a bug that item 39 shows')" in caplog.messages


def test_another_bug_has_its_own_tries(inline: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    def work(item: int) -> None:
        fail_at(0, 2)(item)
        if item == 1:
            raise ValueError("from another line")

    careful = Careful(work)
    run_toy(set_type(inline, careful), WORD="sky", TIMES="4", CHUNKS="1")
    assert careful.begun == [0, 0, 0, 1, 1, 1, 2, 3]
    assert len({reason for item, reason in careful.given_up.items() if item != 1}) == 1
    assert len([record for record in caplog.records if record.exc_info]) == 2


def test_data_that_come_and_go_are_not_given_up_early(inline: Runtime) -> None:
    """Each item is away twice, and there at the third try."""
    careful = Careful(lambda item: _away_unless(careful.begun.count(item) == 3))
    job = run_toy(set_type(inline, careful), WORD="sky", TIMES="6", CHUNKS="1")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(6, 6, 0))
    assert careful.given_up == {}


def _away_unless(is_there: bool) -> None:
    if not is_there:
        raise TransientError("away")


class Forgetful(Careful):
    """Says that items are finished, or given up, and does not remember it."""

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        self.begun.append(0)
        if "progress" in self.given_up.values():
            context.item_done()
        self.work(0)
        raise TransientError("away")

    @override
    def give_up_chunk(
        self, context: JobContext, chunk: Chunk, reason: str, *, is_whole: bool
    ) -> ChunkReport | None:
        return None


@pytest.mark.parametrize("bug", [True, False], ids=["bug", "away"])
@pytest.mark.parametrize("says", ["progress", "given up"])
def test_a_job_type_without_end_is_ended(inline: Runtime, says: str, bug: bool) -> None:
    forgetful = Forgetful(fail_at(0) if bug else fail_at(), given_up={0: says})
    job = run_toy(set_type(inline, forgetful), WORD="sky", TIMES="5", CHUNKS="1")
    assert (job.phase, job.progress) == (Phase.COMPLETED, Progress(5, 0, 5))
    assert len(forgetful.begun) <= (5 + 1) * 3


def test_progress_counts_the_tries_anew(runtime: Runtime) -> None:
    queue_toy(runtime, WORD="sky", TIMES="20", CHUNKS="2")
    plan_job(runtime, "job")
    later = datetime.now(UTC) + timedelta(days=1)
    attempts = []
    for _ in range(14):
        chunk = runtime.store.work.claim_chunk("job", 0, holder="gone", lease_s=30)
        assert chunk is not None
        attempts.append(chunk.attempts)
        runtime.store.work.forget_attempts("job", 0, holder="gone")
        assert runtime.store.recovery.resend_chunk("job", 0, now=later, older_than_s=30)
    assert attempts == [1, *[2] * 10, 3, 4, 5]
