"""One of a crowd of clients, workers and sweepers that act on the same jobs at once.

Each has a store, and so connections, of its own; what it does follows from its seed and from
what it finds. Leases are taken from the living too: its sweeps look from a minute ahead.
"""

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random

from tests.contract.store_inputs import OUTCOMES, OWNERS, any_plan, any_report
from tests.toyjob import Recorder, ToyJob, toy_parameters
from uws.errors import NotFoundError, TooManyError, WrongPhaseError
from uws.jobtype import Plan
from uws.localfiles import LocalFiles
from uws.models import ABORTABLE, AT_WORK, ChunkReport, Job, Phase
from uws.runtime import JobLimits, Runtime
from uws.service import JobService
from uws.store import open_store
from uws.work.sweep import sweep

__all__ = ["LIMITS", "Deeds", "act", "set_start", "work_all_off"]

LIMITS = JobLimits(running_jobs_max=3, window=2, lease_s=30)
JOBS_MAX = 8
AHEAD = timedelta(seconds=61)
_starts: list[Barrier] = []
_EXPECTED = (NotFoundError, WrongPhaseError, TooManyError)
"""What a client is told when another was faster."""


@dataclass
class Deeds:
    """What the store said was done."""

    reports: list[tuple[str, int, ChunkReport]] = field(default_factory=list)
    last_reports: list[str] = field(default_factory=list)
    """Jobs, each as often as somebody was told that no chunk is left."""

    plans: dict[str, list[Plan]] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)


def set_start(start: Barrier) -> None:
    """Say in a process of the crowd for whom its members wait."""
    _starts.append(start)


def act(url: str, folder: Path, seed: int, *, rounds: int, start: Barrier | None = None) -> Deeds:
    """Do things at random, for some rounds, once all are there.

    Any error goes up, but for those that tell a client that another was faster.

    Parameters
    ----------
    url, folder
        Of the store, and of the jobs' files.
    seed
        One for each member.
    rounds
        How many things are done.
    start
        For whom to wait; by default that of `set_start`.
    """
    member = _Member(url, folder, seed)
    (start or _starts[0]).wait(120)
    for _ in range(rounds):
        with suppress(*_EXPECTED):
            member.do_something()
    member.runtime.store.close()
    return member.deeds


def work_all_off(url: str, folder: Path) -> Deeds:
    """Do all work that is left, as a single worker would after the rest are gone."""
    member = _Member(url, folder, seed=0)
    for _ in range(200):
        jobs = member.jobs(AT_WORK)
        if not jobs:
            break
        for job in jobs:
            member.work(job)
        member.sweep()
    member.runtime.store.close()
    return member.deeds


class _Member:
    EVENTS = (
        *("create", "start") * 2,
        "abort",
        "delete",
        "change",
        *("go_on",) * 10,
        *("sweep",) * 2,
    )

    def __init__(self, url: str, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.name = f"member{seed}"
        self.deeds = Deeds()
        self.taken = 0
        files, queue = LocalFiles(folder), Recorder()
        self.runtime = Runtime(open_store(url), files, {"toy": ToyJob()}, queue, LIMITS)
        self.store, self.service = self.runtime.store, JobService(self.runtime)

    def do_something(self) -> None:
        getattr(self, self.random.choice(self.EVENTS))()

    def start(self) -> None:
        for job in self.some({Phase.PENDING}):
            self.service.start(job.owner, job.id)

    def change(self) -> None:
        for job in self.some({Phase.PENDING}):
            self.service.set_parameters(job.owner, job.id, toy_parameters(WORD="sea"))

    def abort(self) -> None:
        for job in self.some(ABORTABLE):
            self.service.abort(job.owner, job.id)

    def delete(self) -> None:
        for job in self.some(set(Phase)):
            self.service.delete(job.owner, job.id)

    def go_on(self) -> None:
        for job in self.some(AT_WORK):
            self.work(job)

    def jobs(self, phases: Collection[Phase]) -> list[Job]:
        return [job for owner in OWNERS for job in self.store.find.list(owner, phases=phases)]

    def some(self, phases: Collection[Phase]) -> list[Job]:
        """Choose one of a few jobs of these phases, as others do; none where there is none."""
        jobs = self.jobs(phases)[:3]
        return self.random.sample(jobs, min(1, len(jobs)))

    def create(self) -> None:
        if len(self.jobs(set(Phase))) < JOBS_MAX:
            run = self.random.random() < 0.7
            owner = self.random.choice(OWNERS)
            self.service.create(owner, toy_parameters(WORD="sky"), job_type="toy", run=run)

    def sweep(self) -> None:
        report = sweep(self.runtime, datetime.now(UTC) + AHEAD, is_thorough=False)
        assert report.faults == 0

    def work(self, job: Job) -> None:
        """Do what comes next for a job, and sometimes leave it in the midst."""
        if job.chunk_count is None:
            self._plan(job.id)
        self.store.work.next_chunks(job.id, LIMITS.window)
        for number in range(job.chunk_count or 0):
            self._work_chunk(job.id, number)
        if self._lease_step(job.id, "finish"):
            self._begin(job.id)
            if self.store.complete(job.id, self.random.choice(OUTCOMES)):
                self.deeds.completed.append(job.id)

    def _holder(self) -> str:
        self.taken += 1
        return f"{self.name}-{self.taken}"

    def _leaves(self) -> bool:
        return self.random.random() < 0.2

    def _lease_step(self, job_id: str, step: str) -> bool:
        tries = self.store.work.lease_step(
            job_id, step, holder=self._holder(), lease_s=LIMITS.lease_s
        )
        return tries > 0 and not self._leaves()

    def _plan(self, job_id: str) -> None:
        if self._lease_step(job_id, "plan"):
            plan = any_plan(self.random)
            if self.store.work.save_plan(job_id, plan):
                self.deeds.plans.setdefault(job_id, []).append(plan)

    def _begin(self, job_id: str) -> None:
        self.store.move(job_id, Phase.EXECUTING, among={Phase.QUEUED})

    def _work_chunk(self, job_id: str, number: int) -> None:
        holder, lease_s = self._holder(), LIMITS.lease_s
        if not self.store.work.claim_chunk(job_id, number, holder=holder, lease_s=lease_s):
            return
        self._begin(job_id)
        self.store.work.renew(job_id, holder=holder, lease_s=lease_s, number=number)
        self.store.work.forget_attempts(job_id, number, holder=holder)
        time.sleep(self.random.choice([0, 0, 0.002, 0.02]))  # others may take it meanwhile
        if self._leaves():
            return
        if self._leaves():
            self.store.work.release_chunk(job_id, number, holder=holder)
            return
        self._report(job_id, number, holder)

    def _report(self, job_id: str, number: int, holder: str) -> None:
        report, state = any_report(self.random)
        left = self.store.work.report_chunk(job_id, number, report, holder=holder, state=state)
        if left is None:
            return
        self.deeds.reports.append((job_id, number, report))
        if left == 0:
            self.deeds.last_reports.append(job_id)
