"""What `JobStore` and `JobService` are to do, over plain values: the machine's other side.

What sweeps do stands in `sweep_model`. `now` is set from outside and stands still during a call.
An error tells its kind only.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.contract.job_model import ChunkModel, JobModel, WorkModel
from tests.toyjob import ToyJob
from uws.errors import (
    AuthorizationError,
    NotFoundError,
    TooManyError,
    UsageError,
    WrongPhaseError,
)
from uws.jobtype import Outcome, Plan
from uws.localfiles import LocalFiles
from uws.models import (
    ABORTABLE,
    AT_WORK,
    FINISHED,
    MOVES,
    STARTABLE,
    Chunk,
    ChunkReport,
    ChunkState,
    ErrorSummary,
    Job,
    Parameter,
    Phase,
)
from uws.runtime import JobLimits

__all__ = ["StoreModel", "lives"]


def lives(holder: str) -> bool:
    """Tell whether a holder is a task on this host, which can be killed while it is not dead."""
    return int(holder, 16) % 2 == 0


class StoreModel:
    """All jobs, what is done with them, and what was sent to the queue."""

    def __init__(self, limits: JobLimits, files: LocalFiles, now: datetime) -> None:
        self.limits = limits
        self.now = now
        self.jobs: dict[str, JobModel] = {}
        self.tombstones: dict[str, datetime] = {}
        self.dead: set[str] = set()
        self.killed: set[str] = set()
        """By sweeps."""

        self.sent: list[str] = []
        self._files = files

    # What clients do

    def create(self, job: Job, *, run: bool) -> Job:
        if run:
            job = replace(job, phase=Phase.QUEUED, notes=self._check(job))
            self._admit(job.owner)
        model = self.jobs[job.id] = JobModel(job)
        if run:
            model.steps["plan"].send(self.now)
            self.sent.append(f"plan {job.id}")
        return job

    def get(self, owner: str, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise NotFoundError
        if self.jobs[job_id].known.owner not in {"", owner}:
            raise AuthorizationError
        return self.jobs[job_id].job

    def list(
        self,
        owner: str,
        *,
        phases: Collection[Phase],
        after: datetime | None,
        last: int | None,
    ) -> list[Job]:
        wanted = phases or set(Phase) - {Phase.ARCHIVED}
        found = [model.job for model in self.jobs.values()]
        found = [job for job in found if job.owner == owner and job.phase in wanted]
        found = [job for job in found if after is None or job.creation_time > after]
        found.sort(key=lambda job: (job.creation_time, job.id), reverse=True)
        return [replace(job, parameters=(), results=()) for job in found[:last]]

    def start(self, owner: str, job_id: str) -> Job:
        if self.get(owner, job_id).phase not in STARTABLE:
            raise WrongPhaseError
        model = self.jobs[job_id]
        try:
            notes = self._check(model.known)
        except UsageError as error:
            self.move(job_id, Phase.ERROR, among=STARTABLE, error=ErrorSummary.of(error))
            return model.job
        self._admit(model.known.owner)
        self.move(job_id, Phase.QUEUED, among=STARTABLE)
        self.sent.append(f"plan {job_id}")
        model.note([note for note in notes if note not in model.known.notes])
        return model.job

    def abort(self, owner: str, job_id: str) -> Job:
        self.get(owner, job_id)
        if self.move(job_id, Phase.ABORTED, among=ABORTABLE):
            self.sent.append(f"cancel {job_id}")
        if self.jobs[job_id].phase is not Phase.ABORTED:
            raise WrongPhaseError
        return self.jobs[job_id].job

    def delete(self, owner: str, job_id: str) -> None:
        self.get(owner, job_id)
        self._clear(job_id)
        del self.jobs[job_id]

    def _clear(self, job_id: str) -> None:
        if self.jobs[job_id].is_at_work:
            self.sent.append(f"cancel {job_id}")
        self.tombstones[job_id] = self.now

    def set_parameters(self, owner: str, job_id: str, values: Sequence[Parameter]) -> Job:
        if self.get(owner, job_id).phase is not Phase.PENDING:
            raise WrongPhaseError
        model = self.jobs[job_id]
        of_name = {value.name: [v for v in values if v.name == value.name] for value in values}
        named, merged = set(of_name), list[Parameter]()
        for old in model.known.parameters:
            merged += of_name.pop(old.name, []) if old.name in named else [old]
        merged += [value for rest in of_name.values() for value in rest]
        model.known = replace(model.known, parameters=tuple(merged))
        return model.job

    def set_destruction(self, owner: str, job_id: str, when: datetime) -> Job:
        if self.get(owner, job_id).phase is Phase.ARCHIVED:
            raise WrongPhaseError
        model = self.jobs[job_id]
        model.known = replace(model.known, destruction=when)
        return model.job

    def set_execution_duration(self, owner: str, job_id: str, seconds: int) -> Job:
        if self.get(owner, job_id).phase in FINISHED:
            raise WrongPhaseError
        model = self.jobs[job_id]
        model.known = replace(model.known, execution_duration_s=seconds)
        return model.job

    def _check(self, job: Job) -> tuple[str, ...]:
        return ToyJob().check(job.parameters, self._files)

    def _admit(self, owner: str) -> None:
        at_work = [m for m in self.jobs.values() if m.is_at_work and m.known.owner == owner]
        if len(at_work) >= self.limits.running_jobs_max:
            raise TooManyError

    # What workers do

    def move(
        self,
        job_id: str,
        to: Phase,
        *,
        among: Collection[Phase],
        error: ErrorSummary | None = None,
    ) -> bool:
        model = self.jobs.get(job_id)
        if model is None or model.phase not in among or to not in MOVES[model.phase]:
            return False
        known = replace(model.known, phase=to, error=error or model.known.error)
        if to is Phase.EXECUTING:
            known = replace(known, start_time=known.start_time or self.now)
        if to in FINISHED:
            known = replace(known, end_time=known.end_time or self.now)
        model.known = known
        if to is Phase.QUEUED:
            model.steps["plan"].sent_time = self.now
        return True

    def lease_step(self, job_id: str, step: str, *, holder: str, lease_s: int) -> int:
        model = self.jobs.get(job_id)
        if model is None or not model.is_due(step):
            return 0
        this = model.steps[step]
        if this.is_resting(self.now) or (this.holder and not self._has_let_go(this)):
            return 0
        begun_time = self.now - this.time_used(self.now)
        this.take(holder, now=self.now, lease_s=lease_s)
        this.begun_time = begun_time
        this.tries += 1
        return this.tries

    def _has_let_go(self, work: WorkModel) -> bool:
        assert work.holder is not None
        return self._is_dead(work.holder) or (work.is_lapsed(self.now) and not lives(work.holder))

    def _is_dead(self, holder: str) -> bool:
        return holder in self.dead or holder in self.killed

    def fail_step(self, job_id: str, step: str, *, holder: str, error: ErrorSummary) -> bool:
        model = self.jobs.get(job_id)
        if model is None or not model.is_due(step) or model.steps[step].holder != holder:
            return False
        return self.move(job_id, Phase.ERROR, among=AT_WORK, error=error)

    def has_given_up(self, job_id: str) -> bool:
        chunks = self.jobs[job_id].chunks if job_id in self.jobs else []
        away = [chunk.report for chunk in chunks if chunk.state is ChunkState.UNAVAILABLE]
        return any(report is not None and report.done == 0 for report in away)

    def save_plan(self, job_id: str, plan: Plan) -> bool:
        model = self.jobs.get(job_id)
        if model is None or not model.is_due("plan"):
            return False
        model.plan = plan
        model.chunks = [ChunkModel(total=chunk.total) for chunk in plan.chunks]
        model.note(plan.notes)
        return True

    def next_chunks(self, job_id: str, window: int) -> Sequence[int]:
        model = self.jobs.get(job_id)
        if model is None or not model.is_at_work:
            return []
        room = max(0, window - sum(chunk.is_in_flight for chunk in model.chunks))
        waiting = [n for n, c in enumerate(model.chunks) if c.state is ChunkState.WAITING][:room]
        for number in waiting:
            model.chunks[number].state = ChunkState.SENT
            model.chunks[number].sent_time = self.now
        return waiting

    def claim_chunk(self, job_id: str, number: int, *, holder: str, lease_s: int) -> Chunk | None:
        model = self.jobs.get(job_id)
        if model is None or not model.is_at_work or number >= len(model.chunks):
            return None
        chunk = model.chunks[number]
        if chunk.state is not ChunkState.SENT or chunk.is_resting(self.now):
            return None
        chunk.take(holder, now=self.now, lease_s=lease_s)
        chunk.state = ChunkState.RUNNING
        chunk.attempts += 1
        return Chunk(
            job_id=job_id,
            number=number,
            spec={"n": number},
            total=chunk.total,
            state=chunk.state,
            attempts=chunk.attempts,
            failures=chunk.failures,
        )

    def _held_chunk(self, job_id: str, number: int, holder: str) -> ChunkModel | None:
        model = self.jobs.get(job_id)
        chunk = model.chunks[number] if model and model.chunks else None
        return chunk if chunk and chunk.holder == holder else None

    def held(self, job_id: str, holder: str, *, number: int | None, step: str | None) -> Any:
        """Give the step or chunk that somebody holds; None where it was lost."""
        if number is not None:
            return self._held_chunk(job_id, number, holder)
        model = self.jobs.get(job_id)
        this = model.steps.get(step or "") if model else None
        return this if this and this.holder == holder else None

    def renew(
        self, job_id: str, *, holder: str, lease_s: int, number: int | None, step: str | None
    ) -> bool:
        held = self.held(job_id, holder, number=number, step=step)
        if held is None or not self.jobs[job_id].is_at_work:
            return False
        held.lease_until = self.now + timedelta(seconds=lease_s)
        return True

    def release_step(self, job_id: str, step: str, *, holder: str, pause_s: float | None) -> None:
        if held := self.held(job_id, holder, number=None, step=step):
            held.give_back(now=self.now, pause_s=pause_s)

    def release_chunk(
        self, job_id: str, number: int, *, holder: str, pause_s: float | None
    ) -> None:
        if held := self._held_chunk(job_id, number, holder):
            held.give_back(now=self.now, pause_s=pause_s)

    def forget_attempts(self, job_id: str, number: int, *, holder: str, attempts: int) -> bool:
        chunk = self._held_chunk(job_id, number, holder)
        if chunk is None or chunk.resets >= chunk.total:
            return False
        chunk.attempts, chunk.failures, chunk.resets = attempts, 0, chunk.resets + 1
        return True

    def report_chunk(
        self, job_id: str, number: int, report: ChunkReport, *, holder: str, state: ChunkState
    ) -> int | None:
        chunk = self._held_chunk(job_id, number, holder)
        if chunk is None or not self.jobs[job_id].is_at_work:
            return None
        chunk.state, chunk.report, chunk.holder, chunk.lease_until = state, report, None, None
        return self.jobs[job_id].left

    def complete(self, job_id: str, outcome: Outcome) -> bool:
        to = Phase.ERROR if outcome.error else Phase.COMPLETED
        if not self.move(job_id, to, among={Phase.EXECUTING}, error=outcome.error):
            return False
        model = self.jobs[job_id]
        model.known = replace(model.known, results=outcome.results)
        model.note(outcome.notes)
        return True
