"""What workers and sweeps do with a job store and its model, in any order, late and twice.

Each event chooses its own arguments.
"""

from collections.abc import Collection
from random import Random

from tests.contract.job_model import JobModel
from tests.contract.store_inputs import (
    ERROR,
    LEASES_S,
    LIMITS,
    OUTCOMES,
    RESTS_S,
    any_move,
    any_plan,
    any_report,
)
from tests.contract.store_pair import Lease, StorePair
from uws.models import AT_WORK, ChunkState, ErrorSummary, Phase
from uws.work.sweep import sweep

__all__ = ["Workers"]


class Workers:
    """Workers, and the sweeper."""

    EVENTS = (
        *("go_on",) * 12,
        *("report", "release", "take_over") * 2,
        *("try_again", "renew", "forget_attempts", "finish", "claim", "take_step", "save_plan"),
        *("next_chunks", "move", "die", "fail", "has_given_up"),
    )

    def __init__(self, pair: StorePair) -> None:
        self.pair = pair

    def go_on(self, random: Random) -> None:
        """Do what comes next for a job, as `uws.work.steps` would, so that many jobs get far."""
        job_id = self.pair.some_job(random, AT_WORK)
        model = self.pair.model.jobs.get(job_id)
        if model is None or not model.is_at_work:
            return
        if model.plan is None:
            if self._lease_step(job_id, "plan", random):
                self.pair.both("save_plan", job_id, any_plan(random))
        elif model.left == 0:
            if self._lease_step(job_id, "finish", random) and random.random() < 0.7:
                self._complete(job_id, random)
        else:
            self._go_on_with_chunks(job_id, model, random)

    def _go_on_with_chunks(self, job_id: str, model: JobModel, random: Random) -> None:
        states = [chunk.state for chunk in model.chunks]
        held = [lease for lease in self.pair.leases if self.pair.is_held(lease)]
        running = [lease for lease in held if lease.job_id == job_id and lease.number is not None]
        if ChunkState.SENT in states:
            self._claim_chunk(job_id, states.index(ChunkState.SENT), random)
            self._move(job_id, Phase.EXECUTING, {Phase.QUEUED})
        elif running and random.random() < 0.7:
            self._report(running[-1], random)
        else:
            self.pair.both("next_chunks", job_id, LIMITS.window)

    # Steps

    def take_step(self, random: Random) -> None:
        self._lease_step(self.pair.some_job(random), random.choice(["plan", "finish"]), random)

    def _lease_step(self, job_id: str, step: str, random: Random) -> bool:
        lease = Lease(job_id, self.pair.new_name(), step=step)
        lease_s = random.choice(LEASES_S)
        if not self.pair.both("lease_step", job_id, step, holder=lease.holder, lease_s=lease_s):
            return False
        self.pair.leases.append(lease)
        return True

    def save_plan(self, random: Random) -> None:
        self.pair.both("save_plan", self.pair.some_job(random), any_plan(random))

    def finish(self, random: Random) -> None:
        """End a job as one does who has the lease of its finish, or had it."""
        leases = [lease for lease in self.pair.leases if lease.step == "finish"]
        if leases:
            self._complete(random.choice(leases).job_id, random)

    def _complete(self, job_id: str, random: Random) -> None:
        self._move(job_id, Phase.EXECUTING, {Phase.QUEUED})
        self.pair.both("complete", job_id, random.choice(OUTCOMES))

    def fail(self, random: Random) -> None:
        """Have a step fail for good, of one who has it or had it."""
        leases = [lease for lease in self.pair.leases if lease.step]
        if leases:
            lease = random.choice(leases)
            holder = lease.holder
            self.pair.both("fail_step", lease.job_id, lease.step, holder=holder, error=ERROR)

    def has_given_up(self, random: Random) -> None:
        self.pair.both("has_given_up", self.pair.some_job(random))

    def move(self, random: Random) -> None:
        to, among = any_move(random)
        self._move(self.pair.some_job(random), to, among, error=random.choice([None, ERROR]))

    def _move(
        self,
        job_id: str,
        to: Phase,
        among: Collection[Phase],
        *,
        error: ErrorSummary | None = None,
    ) -> None:
        self.pair.both("move", job_id, to, among=among, error=error)

    # Chunks

    def next_chunks(self, random: Random) -> None:
        self.pair.both("next_chunks", self.pair.some_job(random), random.randint(0, 4))

    def claim(self, random: Random) -> None:
        self._claim_chunk(self.pair.some_job(random), random.randint(0, 3), random)

    def _claim_chunk(self, job_id: str, number: int, random: Random) -> None:
        lease = Lease(job_id, self.pair.new_name(), number=number)
        lease_s = random.choice(LEASES_S)
        if self.pair.both("claim_chunk", job_id, number, holder=lease.holder, lease_s=lease_s):
            self.pair.leases.append(lease)

    def forget_attempts(self, random: Random) -> None:
        """Finish items one by one, now and then more than a chunk has."""
        lease = self.pair.some_lease(random, of_chunk=True)
        if lease:
            attempts, holder = random.randint(0, 1), lease.holder
            for _ in range(random.randint(1, 4)):
                self.pair.both(
                    "forget_attempts", lease.job_id, lease.number, holder=holder, attempts=attempts
                )

    def report(self, random: Random) -> None:
        lease = self.pair.some_lease(random, of_chunk=True)
        if lease:
            self._report(lease, random)

    def _report(self, lease: Lease, random: Random) -> None:
        (report, state), holder = any_report(random), lease.holder
        verb = "report_chunk"
        self.pair.both(verb, lease.job_id, lease.number, report, holder=holder, state=state)

    # Either

    def renew(self, random: Random) -> None:
        lease = self.pair.some_lease(random)
        if lease:
            self.pair.both(
                "renew",
                lease.job_id,
                holder=lease.holder,
                lease_s=random.choice(LEASES_S),
                number=lease.number,
                step=lease.step,
            )

    def release(self, random: Random) -> None:
        lease = self.pair.some_lease(random)
        if lease:
            self._release(lease, pause_s=random.choice(RESTS_S))

    def _release(self, lease: Lease, *, pause_s: float | None) -> None:
        verb, what = "release_step" if lease.step else "release_chunk", lease.step or lease.number
        self.pair.both(verb, lease.job_id, what, holder=lease.holder, pause_s=pause_s)

    def take_over(self, random: Random) -> None:
        """Have a worker die, and another go on with its chunk; the dead one may be heard yet."""
        lease = self.pair.some_lease(random, of_chunk=True)
        if lease and lease.number is not None:
            self.pair.model.dead.add(lease.holder)
            self.sweep(is_queue_new=False)
            self._claim_chunk(lease.job_id, lease.number, random)

    def try_again(self, random: Random) -> None:
        """Have a chunk fail for the moment, and take it as soon as that is allowed."""
        lease = self.pair.some_lease(random, of_chunk=True)
        if lease and lease.number is not None:
            self._release(lease, pause_s=5.0)
            self.pair.wait(random.choice([4, 5]))
            self._claim_chunk(lease.job_id, lease.number, random)

    def die(self, random: Random) -> None:
        lease = self.pair.some_lease(random)
        if lease:
            self.pair.model.dead.add(lease.holder)

    # The sweeper

    def sweep(self, *, is_queue_new: bool) -> None:
        self.pair.same(
            f"sweep {is_queue_new=}",
            lambda: sweep(self.pair.runtime, is_thorough=False, is_queue_new=is_queue_new),
            lambda: self.pair.model.sweep(is_queue_new=is_queue_new),
        )
