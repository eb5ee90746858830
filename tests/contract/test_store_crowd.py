"""Threads and processes at the same jobs at once: every move is legal, every count is right.

`FUZZ_EXAMPLES=1000` has each of them do so many things.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest
from typing_extensions import override

from tests.contract.phase_trail import PhaseTrail, Step
from tests.contract.store_crowd import LIMITS, Deeds, act, set_start, work_all_off
from tests.contract.store_rows import StoreRows, rows_of
from tests.contract.stores import StoreContract
from uws.models import AT_WORK, Progress
from uws.store import JobStore

THREADS, PROCESSES = 3, 2
ROUNDS = int(os.environ.get("FUZZ_EXAMPLES", "150"))


class StoreCrowdContract(StoreContract):
    """What holds whatever many do at once."""

    def test_a_crowd_cannot_bring_it_out_of_order(
        self, store: JobStore, url: str, tmp_path: Path
    ) -> None:
        trail, context = PhaseTrail(store), get_context("spawn")
        start = context.Barrier(THREADS + PROCESSES)
        crowd = partial(act, url, tmp_path / "files", rounds=ROUNDS)
        pool = partial(ProcessPoolExecutor, PROCESSES, context, set_start, (start,))
        seeds = range(1, 1 + THREADS + PROCESSES)
        with pool() as processes, ThreadPoolExecutor(THREADS) as threads:
            futures = [processes.submit(crowd, seed) for seed in seeds[:PROCESSES]]
            futures += [threads.submit(crowd, seed, start=start) for seed in seeds[PROCESSES:]]
            deeds = [future.result() for future in futures]
        deeds.append(work_all_off(url, tmp_path / "files"))
        steps, rows = trail.steps(), rows_of(store)
        assert [step for step in steps if not step.is_legal] == []
        check_the_trail(steps, rows)
        check_admission(steps)
        check_counts(rows, deeds)
        check_ends(rows, deeds)


def check_the_trail(steps: Sequence[Step], rows: StoreRows) -> None:
    """Each job's steps follow on one another, from its making to how it stands now."""
    of_job: defaultdict[str, list[Step]] = defaultdict(list)
    for step in steps:
        of_job[step.job_id].append(step)
    for its in of_job.values():
        assert [step.old for step in its] == [None, *(step.new for step in its[:-1])]
    last = {job_id: its[-1].new for job_id, its in of_job.items()}
    deleted = {job_id for job_id, phase in last.items() if phase is None}
    assert {job_id: job.phase for job_id, job in rows.jobs.items()} == {
        job_id: phase for job_id, phase in last.items() if phase
    }
    assert rows.job_ids == last.keys() - deleted
    assert deleted >= set(rows.tombstones)


def check_admission(steps: Sequence[Step]) -> None:
    """No owner ever had more jobs at work than allowed."""
    at_work: Counter[str] = Counter()
    for step in steps:
        at_work[step.owner] += (step.new in AT_WORK) - (step.old in AT_WORK)
        assert at_work[step.owner] <= LIMITS.running_jobs_max


def check_counts(rows: StoreRows, deeds: Sequence[Deeds]) -> None:
    """Each chunk was counted once, and the counts of a job are the sums of its reports."""
    accepted = [report for each in deeds for report in each.reports]
    by_chunk = {(job_id, number): report for job_id, number, report in accepted}
    assert len(by_chunk) == len(accepted)
    assert rows.reports == {key: by_chunk[key] for key in by_chunk if key[0] in rows.jobs}
    plans = [(job_id, plan) for each in deeds for job_id, its in each.plans.items() for plan in its]
    plan_of = dict(plans)
    assert len(plan_of) == len(plans)
    for job_id, job in rows.jobs.items():
        plan = plan_of.get(job_id)
        reports = [report for (its, _), report in rows.reports.items() if its == job_id]
        if plan is None:
            assert (job.chunk_count, job.progress) == (None, Progress())
            continue
        assert (job.chunk_count, rows.left[job_id]) == (
            len(plan.chunks),
            len(plan.chunks) - len(reports),
        )
        assert job.progress == Progress(
            total=sum(chunk.total for chunk in plan.chunks) + plan.done + plan.failed,
            done=plan.done + sum(report.done for report in reports),
            failed=plan.failed + sum(report.failed for report in reports),
            size_bytes=sum(report.size_bytes for report in reports),
            by_plan=plan.done + plan.failed,
        )


def check_ends(rows: StoreRows, deeds: Sequence[Deeds]) -> None:
    """Nobody is left at work; one was told of each last chunk, and one completed each job."""
    assert [job.id for job in rows.jobs.values() if job.phase in AT_WORK] == []
    told = Counter(job_id for each in deeds for job_id in each.last_reports)
    assert set(told.values()) <= {1}
    done = {
        job_id for job_id, job in rows.jobs.items() if job.chunk_count and not rows.left[job_id]
    }
    assert done <= set(told)
    completed = Counter(job_id for each in deeds for job_id in each.completed)
    assert set(completed.values()) <= {1}
    assert done & {job_id for job_id, job in rows.jobs.items() if job.results} <= set(completed)


class TestSqlite(StoreCrowdContract):
    @pytest.fixture
    @override
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(StoreCrowdContract):
    pytestmark = pytest.mark.xdist_group("postgres")

    @pytest.fixture
    @override
    def url(self, postgres_url: str) -> str:
        return postgres_url
