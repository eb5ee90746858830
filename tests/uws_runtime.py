"""A UWS server without queue or web: store and files in a folder, and the toy job."""

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from tests.toyjob import ToyJob
from uws.errors import TransientError
from uws.localfiles import LocalFiles
from uws.models import ErrorSummary, Parameter, Phase
from uws.runtime import Executor, JobLimits, Runtime
from uws.service import JobService
from uws.store import JobStore, open_store

__all__ = ["BAD", "WORD", "RecordingExecutor", "bring_to", "open_runtime", "part_with"]

WORD = Parameter("WORD", "sky")
"""Enough for a toy job."""

BAD = Parameter("WORLD", "sky")
"""Refused by the toy job, in two ways."""

_WAYS: dict[Phase, tuple[Phase, ...]] = {
    Phase.PENDING: (),
    Phase.QUEUED: (Phase.QUEUED,),
    Phase.HELD: (Phase.QUEUED, Phase.HELD),
    Phase.EXECUTING: (Phase.QUEUED, Phase.EXECUTING),
    Phase.SUSPENDED: (Phase.QUEUED, Phase.EXECUTING, Phase.SUSPENDED),
    Phase.COMPLETED: (Phase.QUEUED, Phase.EXECUTING, Phase.COMPLETED),
    Phase.ERROR: (Phase.ERROR,),
    Phase.ABORTED: (Phase.ABORTED,),
    Phase.ARCHIVED: (Phase.ABORTED, Phase.ARCHIVED),
}


class RecordingExecutor(Executor):
    """Remembers what was sent and does nothing; is away where told so."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.is_away = False

    def _send(self, verb: str, job_id: str) -> None:
        if self.is_away:
            raise TransientError("the queue cannot be reached")
        self.sent.append((verb, job_id))

    @override
    def send_plan(self, job_id: str) -> None:
        self._send("plan", job_id)

    @override
    def send_chunks(self, job_id: str, numbers: Sequence[int]) -> None:
        self._send("chunks", job_id)

    @override
    def send_finish(self, job_id: str) -> None:
        self._send("finish", job_id)

    @override
    def cancel(self, job_id: str) -> None:
        self._send("cancel", job_id)


def open_runtime(folder: Path, executor: Executor) -> Runtime:
    """Open an empty server with tight limits: 2 jobs at work, waits of a second."""
    store = open_store(f"sqlite:///{folder / 'jobs.db'}")
    store.migrate()
    limits = JobLimits(
        execution_default_s=60,
        execution_max_s=600,
        lifetime_default_s=86400,
        lifetime_max_s=10 * 86400,
        wait_max_s=1,
        running_jobs_max=2,
    )
    return Runtime(store, LocalFiles(folder / "files"), {"toy": ToyJob()}, executor, limits)


def bring_to(service: JobService, phase: Phase, owner: str = "vera") -> str:
    """Create a toy job and move it to a phase, without work; gives its id."""
    job = service.create(owner, [WORD], job_type="toy")
    for step in _WAYS[phase]:
        error = ErrorSummary("Error: it broke", detail="Error: it\nbroke")
        given = error if step == Phase.ERROR else None
        assert service.runtime.store.move(job.id, step, among=set(Phase), error=given)
    return job.id


def part_with(store: JobStore, verb: str) -> object:
    """Return the part of a job store that has a method of some name, or the store itself."""
    return next(part for part in (store, store.work, store.find) if hasattr(part, verb))
