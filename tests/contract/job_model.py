"""One job with its steps and chunks as the store is to keep them, in plain values.

The fields of steps and chunks are columns of their rows. What the store adds up as it goes is
counted anew here each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from typing_extensions import override

from uws.jobtype import Plan
from uws.models import AT_WORK, ChunkReport, ChunkState, Job, Phase, Progress

__all__ = ["ChunkModel", "JobModel", "StepModel", "WorkModel"]


@dataclass
class WorkModel:
    """What a worker can hold."""

    holder: str | None = None
    lease_until: datetime | None = None
    sent_time: datetime | None = None
    failures: int = 0
    retry_time: datetime | None = None

    def take(self, holder: str, *, now: datetime, lease_s: int) -> None:
        self.holder, self.lease_until = holder, now + timedelta(seconds=lease_s)
        self.retry_time = None

    def give_back(self, *, now: datetime, pause_s: float | None) -> None:
        self.holder, self.lease_until, self.sent_time = None, None, now
        if pause_s is not None:
            self.failures += 1
            self.retry_time = now + timedelta(seconds=pause_s)

    def send(self, now: datetime) -> None:
        self.holder, self.lease_until, self.retry_time = None, None, None
        self.sent_time = now

    def is_lapsed(self, now: datetime) -> bool:
        return self.lease_until is not None and self.lease_until <= now

    def is_resting(self, now: datetime) -> bool:
        return self.retry_time is not None and self.retry_time > now


@dataclass
class StepModel(WorkModel):
    """The step `plan` or `finish`."""

    tries: int = 0
    begun_time: datetime | None = None

    def time_used(self, now: datetime) -> timedelta:
        """By those who lost it."""
        end = self.sent_time if self.lease_until is None else min(now, self.lease_until)
        if self.begun_time is None or end is None:
            return timedelta(0)
        return max(timedelta(0), end - self.begun_time)

    @override
    def give_back(self, *, now: datetime, pause_s: float | None) -> None:
        super().give_back(now=now, pause_s=pause_s)
        self.begun_time = None

    @override
    def send(self, now: datetime) -> None:
        if self.begun_time is not None:
            self.begun_time = now - self.time_used(now)
        super().send(now)


@dataclass
class ChunkModel(WorkModel):
    """A chunk."""

    total: int = 0
    state: ChunkState = ChunkState.WAITING
    attempts: int = 0
    resets: int = 0
    report: ChunkReport | None = None

    @property
    def is_in_flight(self) -> bool:
        return self.state in {ChunkState.SENT, ChunkState.RUNNING}

    @override
    def give_back(self, *, now: datetime, pause_s: float | None) -> None:
        super().give_back(now=now, pause_s=pause_s)
        self.state = ChunkState.SENT

    @override
    def send(self, now: datetime) -> None:
        super().send(now)
        self.state = ChunkState.SENT


@dataclass
class JobModel:
    """A job with its work."""

    known: Job
    """Without what is counted."""

    steps: dict[str, StepModel] = field(
        default_factory=lambda: {"plan": StepModel(), "finish": StepModel()}
    )
    plan: Plan | None = None
    chunks: list[ChunkModel] = field(default_factory=list)

    @property
    def phase(self) -> Phase:
        return self.known.phase

    @property
    def is_at_work(self) -> bool:
        return self.phase in AT_WORK

    @property
    def left(self) -> int:
        return sum(chunk.report is None for chunk in self.chunks)

    @property
    def job(self) -> Job:
        """The whole job as a client sees it."""
        if self.plan is None:
            return self.known
        reports = [chunk.report for chunk in self.chunks if chunk.report]
        progress = Progress(
            total=self.plan.done + self.plan.failed + sum(chunk.total for chunk in self.chunks),
            done=self.plan.done + sum(report.done for report in reports),
            failed=self.plan.failed + sum(report.failed for report in reports),
            size_bytes=sum(report.size_bytes for report in reports),
            by_plan=self.plan.done + self.plan.failed,
        )
        return replace(self.known, progress=progress, chunk_count=len(self.chunks))

    def is_due(self, step: str) -> bool:
        if not self.is_at_work or (step == "plan") != (self.plan is None):
            return False
        return step == "plan" or self.left == 0

    def archive(self) -> None:
        """Keep the document and nothing else; what was counted stays as it is."""
        self.known = replace(self.job, results=())
        self.plan, self.chunks, self.steps = None, [], {}

    def note(self, notes: Sequence[str]) -> None:
        self.known = replace(self.known, notes=(*self.known.notes, *notes))
