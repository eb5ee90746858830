"""What workers and sweeps do with a job store and its model, in any order, late and twice.

Each event draws its own arguments.
"""

from collections.abc import Collection

from hypothesis import strategies as st

from tests.contract.job_model import JobModel
from tests.contract.store_inputs import (
    LEASES_S,
    LIMITS,
    MOVES_TO,
    OUTCOMES,
    PLANS,
    REPORTS,
    RESTS_S,
)
from tests.contract.store_pair import Lease, StorePair
from uws.jobtype import Outcome
from uws.models import AT_WORK, ChunkState, ErrorSummary, Phase
from uws.sweep import sweep

__all__ = ["Workers"]


class Workers:
    """Workers, and the sweeper."""

    EVENTS = (
        *("go_on",) * 16,
        *("report",) * 2,
        *("release",) * 2,
        *("renew", "forget_attempts", "finish", "claim", "take_step", "save_plan"),
        *("next_chunks", "move", "die"),
    )

    def __init__(self, pair: StorePair) -> None:
        self.pair = pair

    def go_on(self, data: st.DataObject) -> None:
        """Do what comes next for a job, as client and worker in turn, so that many get far."""
        job_id = self.pair.some_job(data, AT_WORK)
        model = self.pair.model.jobs.get(job_id)
        if model is None or not model.is_at_work:
            return
        if model.plan is None:
            if self.lease_step(job_id, "plan", data):
                self.save_plan_of(job_id, data)
        elif model.left == 0:
            if self.lease_step(job_id, "finish", data) and data.draw(st.booleans()):
                self.complete(job_id, data.draw(OUTCOMES))
        else:
            self.go_on_with_chunks(job_id, model, data)

    def go_on_with_chunks(self, job_id: str, model: JobModel, data: st.DataObject) -> None:
        states = [chunk.state for chunk in model.chunks]
        held = [lease for lease in self.pair.leases if self.pair.held(lease)]
        running = [lease for lease in held if lease.job_id == job_id and lease.number is not None]
        if ChunkState.SENT in states:
            self.claim_chunk(job_id, states.index(ChunkState.SENT), data)
            self.move_job(job_id, Phase.EXECUTING, {Phase.QUEUED})
        elif running and data.draw(st.booleans()):
            self.report_of(running[-1], data)
        else:
            self.next_chunks_of(job_id, LIMITS.window)

    def take_step(self, data: st.DataObject) -> None:
        self.lease_step(
            self.pair.some_job(data), data.draw(st.sampled_from(["plan", "finish"])), data
        )

    def lease_step(self, job_id: str, step: str, data: st.DataObject) -> Lease | None:
        lease, lease_s = Lease(job_id, self.pair.new_name(), step=step), data.draw(LEASES_S)
        tries = self.pair.both(
            lambda: self.pair.store.lease_step(job_id, step, holder=lease.holder, lease_s=lease_s),
            lambda: self.pair.model.lease_step(job_id, step, holder=lease.holder, lease_s=lease_s),
        )
        if not tries:
            return None
        self.pair.leases.append(lease)
        return lease

    def save_plan(self, data: st.DataObject) -> None:
        self.save_plan_of(self.pair.some_job(data), data)

    def save_plan_of(self, job_id: str, data: st.DataObject) -> None:
        plan = data.draw(PLANS)
        self.pair.both(
            lambda: self.pair.store.save_plan(job_id, plan),
            lambda: self.pair.model.save_plan(job_id, plan),
        )

    def next_chunks(self, data: st.DataObject) -> None:
        self.next_chunks_of(self.pair.some_job(data), data.draw(st.integers(0, 4)))

    def next_chunks_of(self, job_id: str, window: int) -> None:
        self.pair.both(
            lambda: self.pair.store.next_chunks(job_id, window),
            lambda: self.pair.model.next_chunks(job_id, window),
        )

    def claim(self, data: st.DataObject) -> None:
        self.claim_chunk(self.pair.some_job(data), data.draw(st.integers(0, 5)), data)

    def claim_chunk(self, job_id: str, number: int, data: st.DataObject) -> None:
        lease, lease_s = Lease(job_id, self.pair.new_name(), number=number), data.draw(LEASES_S)
        attempts = self.pair.model.claim_chunk(job_id, number, holder=lease.holder, lease_s=lease_s)
        chunk = self.pair.store.claim_chunk(job_id, number, holder=lease.holder, lease_s=lease_s)
        assert (chunk.attempts if chunk else 0) == attempts
        if chunk:
            self.pair.leases.append(lease)

    def renew(self, data: st.DataObject) -> None:
        lease, lease_s = self.pair.some_lease(data), data.draw(LEASES_S)
        if lease is None:
            return
        self.pair.both(
            lambda: self.pair.store.renew(
                lease.job_id,
                holder=lease.holder,
                lease_s=lease_s,
                number=lease.number,
                step=lease.step or None,
            ),
            lambda: self.pair.model.renew(lease.job_id, self.pair.held(lease), lease_s=lease_s),
        )

    def release(self, data: st.DataObject) -> None:
        lease, pause_s = self.pair.some_lease(data), data.draw(RESTS_S)
        if lease is None:
            return
        job_id, holder, held = lease.job_id, lease.holder, self.pair.held(lease)
        if lease.number is None:
            self.pair.store.release_step(job_id, lease.step, holder=holder, pause_s=pause_s)
        else:
            self.pair.store.release_chunk(job_id, lease.number, holder=holder, pause_s=pause_s)
        if held:
            held.give_back(now=self.pair.clock.now, pause_s=pause_s)

    def forget_attempts(self, data: st.DataObject) -> None:
        lease, attempts = self.pair.some_lease(data, of_chunk=True), data.draw(st.integers(0, 1))
        if lease is None:
            return
        self.pair.both(
            lambda: self.pair.store.forget_attempts(
                lease.job_id, lease.number, holder=lease.holder, attempts=attempts
            ),
            lambda: self.pair.model.forget_attempts(self.pair.held(lease), attempts),
        )

    def report(self, data: st.DataObject) -> None:
        lease = self.pair.some_lease(data, of_chunk=True)
        if lease:
            self.report_of(lease, data)

    def report_of(self, lease: Lease, data: st.DataObject) -> None:
        report, state = data.draw(REPORTS)
        self.pair.both(
            lambda: self.pair.store.report_chunk(
                lease.job_id, lease.number, report, holder=lease.holder, state=state
            ),
            lambda: self.pair.model.report_chunk(
                lease.job_id, self.pair.held(lease), report, state
            ),
        )

    def finish(self, data: st.DataObject) -> None:
        """End a job as one does who has, or had, the lease of its finish."""
        leases = [lease for lease in self.pair.leases if lease.step == "finish"]
        if leases:
            self.complete(data.draw(st.sampled_from(leases)).job_id, data.draw(OUTCOMES))

    def complete(self, job_id: str, outcome: Outcome) -> None:
        self.move_job(job_id, Phase.EXECUTING, {Phase.QUEUED})
        self.pair.both(
            lambda: self.pair.store.complete(job_id, outcome),
            lambda: self.pair.model.complete(job_id, outcome),
        )

    def move(self, data: st.DataObject) -> None:
        job_id, (to, among, error) = self.pair.some_job(data), data.draw(MOVES_TO)
        self.move_job(job_id, to, among, error=error)

    def move_job(
        self,
        job_id: str,
        to: Phase,
        among: Collection[Phase],
        *,
        error: ErrorSummary | None = None,
    ) -> None:
        self.pair.both(
            lambda: self.pair.store.move(job_id, to, among=among, error=error),
            lambda: self.pair.model.move(job_id, to, among=among, error=error),
        )

    def die(self, data: st.DataObject) -> None:
        lease = self.pair.some_lease(data)
        if lease:
            self.pair.model.dead.add(lease.holder)

    def sweep(self, data: st.DataObject) -> None:
        is_queue_new = data.draw(st.booleans())
        self.pair.both(
            lambda: sweep(self.pair.runtime, is_thorough=False, is_queue_new=is_queue_new),
            lambda: self.pair.model.sweep(is_queue_new=is_queue_new),
        )
