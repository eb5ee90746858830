"""The context in which a step runs: its job, and a lease that is renewed while it works.

A thread renews the lease, so that a job type that reports nothing for long keeps its work while its
process lives and the store can be reached. The same thread checks the job's phase every second,
since the queue's stop command may be lost.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from typing_extensions import override

from uws.errors import JobStopped, NotFoundError, TransientError
from uws.files import JobFiles
from uws.jobtype import JobContext
from uws.models import AT_WORK, Job
from uws.runtime import JobLimits, Runtime

__all__ = ["Holding", "LeaseContext", "keep_lease", "until_answered"]

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
"""How often the job's phase is read: an abort must stop the work within two seconds. Reading one
row by its key costs the store 0.1 ms."""

_ASK_AGAIN_S = 0.5

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Holding:
    """A holder and what it holds: a chunk by its number, or a step by its name."""

    holder: str
    number: int | None = None
    step: str | None = None
    attempts: int = 1
    """How often the chunk was claimed since an item of it was finished."""


@dataclass(slots=True)
class LeaseContext(JobContext):
    """The context of a step, with its lease."""

    runtime: Runtime
    its_job: Job
    holding: Holding
    lease_end_s: float
    """Until when the lease is good, on the monotonic clock."""

    has_progressed: bool = False
    """Whether an item was finished, so that the tries of this chunk count from 0."""

    items_total: int = 0
    """While planning."""

    is_lost: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    @override
    def job(self) -> Job:
        return self.its_job

    @property
    @override
    def files(self) -> JobFiles:
        return self.runtime.files

    @override
    def heartbeat(self) -> None:
        if self.is_lost.is_set() or time.monotonic() >= self.lease_end_s:
            raise JobStopped(f"job {self.its_job.id}: the work was ended or given to another")

    @override
    def report_total(self, items: int) -> None:
        self.items_total = items

    @override
    def item_done(self) -> None:
        holding = self.holding
        if holding.number is None or self.has_progressed:
            return
        self.has_progressed = holding.attempts == 1 or self.runtime.store.work.forget_attempts(
            self.its_job.id, holding.number, holder=holding.holder
        )

    def keep(self) -> None:
        """Check the job and renew the lease three times in its length, until it is over or lost.

        While the store is unavailable the lease runs out; it is valid again if it can be renewed
        before another worker claims the work. Leases end by the wall clock, which goes on while the
        machine is suspended, or may be set: a lease that is due by either clock is renewed at once.
        """
        pause_s = self.runtime.limits.lease_s / 3
        due_s, due_at = time.monotonic() + pause_s, time.time() + pause_s
        reported, is_unavailable = 0, False
        while not self.is_over.wait(min(_LOOK_S, max(0.0, due_s - time.monotonic()))):
            is_due = time.monotonic() >= due_s or time.time() >= due_at
            was_unavailable, is_unavailable = is_unavailable, False
            try:
                kept = self._renew() if is_due else self._is_wanted()
                if self.items_total > reported:
                    reported = self.items_total
                    self.runtime.store.work.set_total(self.its_job.id, reported)
            except TransientError as error:
                kept = is_unavailable = True
                if is_due and not was_unavailable:
                    _log.warning("lease not renewed: %s", error, extra={"job_id": self.its_job.id})
            except Exception:  # noqa: BLE001 - a lease without renewal must not seem kept
                _log.exception("lease given up", extra={"job_id": self.its_job.id})
                kept = False
            if not kept:
                self.is_lost.set()
                return
            if is_due:
                # When the store is back, a sweep may kill holders that do not renew soon.
                next_s = min(_LOOK_S, pause_s) if is_unavailable else pause_s
                due_s, due_at = time.monotonic() + next_s, time.time() + next_s

    def _renew(self) -> bool:
        begun_s, lease_s = time.monotonic(), self.runtime.limits.lease_s
        kept = self.runtime.store.work.renew(
            self.its_job.id,
            holder=self.holding.holder,
            lease_s=lease_s,
            number=self.holding.number,
            step=self.holding.step,
        )
        if kept:
            self.lease_end_s = begun_s + lease_s
        return kept

    def _is_wanted(self) -> bool:
        try:
            return self.runtime.store.phase(self.its_job.id) in AT_WORK
        except NotFoundError:
            return False


@contextmanager
def keep_lease(runtime: Runtime, job: Job, holding: Holding) -> Iterator[LeaseContext]:
    """Yield the context of a step, and keep its lease until the block ends.

    `heartbeat` of the context costs nothing; it raises `JobStopped` a second after the job was
    aborted or deleted, a third of the lease after the lease was lost, and at the lease's end if
    the store was not to be reached since.
    """
    lease_end_s = time.monotonic() + runtime.limits.lease_s
    context = LeaseContext(runtime, job, holding, lease_end_s)
    keeper = threading.Thread(target=context.keep, name=f"lease-{job.id}", daemon=True)
    keeper.start()
    try:
        yield context
    finally:
        context.is_over.set()
        keeper.join()


def until_answered(limits: JobLimits, ask: Callable[[], _Answer]) -> _Answer:
    """Call the store, and retry while it is unavailable, for as long as work waits for resources.

    For holders of a chunk or step: a process that ends without a report looks as if its work had
    killed it, and what it did is lost.

    Raises
    ------
    TransientError
        When the store is away for longer than `JobLimits.retry_for_s`.
    """
    end_s = time.monotonic() + limits.retry_for_s
    while True:
        try:
            return ask()
        except TransientError:
            if time.monotonic() >= end_s:
                raise
        time.sleep(_ASK_AGAIN_S)
