"""The context a step runs in: what it may know of its job, and a lease kept while it works.

A thread of its own renews the lease, so that a job type that is silent for long keeps its work
as long as its process lives. Imports runtime, models, errors and files.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from typing_extensions import override

from uws.errors import JobStopped, TransientError
from uws.files import JobFiles
from uws.jobtype import JobContext
from uws.models import Job
from uws.runtime import Runtime

__all__ = ["Holding", "LeaseContext", "keep_lease"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held by whom: a chunk by its number, or else a step by its name."""

    holder: str
    number: int | None = None
    step: str | None = None
    attempts: int = 1
    """How often the chunk was claimed since an item of it was finished."""


@dataclass(frozen=True, slots=True)
class LeaseContext(JobContext):
    """What a step holds, and whether it still does."""

    runtime: Runtime
    its_job: Job
    holding: Holding
    is_lost: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)
    has_progressed: threading.Event = field(default_factory=threading.Event)

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
        if self.is_lost.is_set():
            raise JobStopped(f"job {self.its_job.id}: the work was ended or given to another")

    @override
    def progress(self) -> None:
        if self.holding.number is None or self.has_progressed.is_set():
            return
        self.has_progressed.set()
        if self.holding.attempts > 1:
            self.runtime.store.forget_attempts(
                self.its_job.id, self.holding.number, holder=self.holding.holder
            )

    def keep(self) -> None:
        """Renew the lease three times in its length, until it is over or lost."""
        lease_s = self.runtime.limits.lease_s
        while not self.is_over.wait(lease_s / 3):
            try:
                kept = self.runtime.store.renew(
                    self.its_job.id,
                    holder=self.holding.holder,
                    lease_s=lease_s,
                    number=self.holding.number,
                    step=self.holding.step,
                )
            except TransientError as error:
                _log.warning("lease not renewed: %s", error, extra={"job_id": self.its_job.id})
                continue
            if not kept:
                self.is_lost.set()
                return


@contextmanager
def keep_lease(runtime: Runtime, job: Job, holding: Holding) -> Iterator[LeaseContext]:
    """Give a step its context, and keep its lease until the block ends.

    `heartbeat` of the context costs nothing; it raises `JobStopped` within a third of the lease
    after the job was aborted or the lease was lost.
    """
    context = LeaseContext(runtime, job, holding)
    keeper = threading.Thread(target=context.keep, name=f"lease-{job.id}", daemon=True)
    keeper.start()
    try:
        yield context
    finally:
        context.is_over.set()
        keeper.join()
