"""What clients do with a job store and its model: each event chooses its own arguments."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from random import Random

from tests.contract.store_inputs import (
    JOBS_MAX,
    LIMITS,
    OWNERS,
    PARAMETERS,
    any_change,
    any_filters,
)
from tests.contract.store_pair import StorePair
from tests.toyjob import new_toy
from uws.models import STARTABLE, Phase

__all__ = ["Clients"]


class Clients:
    """Clients of a `JobService`."""

    EVENTS = (
        *("create",) * 3,
        *("start",) * 4,
        *("change",) * 3,
        *("get", "look", "abort", "delete"),
    )

    def __init__(self, pair: StorePair) -> None:
        self.pair = pair

    def create(self, random: Random) -> None:
        if len(self.pair.model.jobs) >= JOBS_MAX:
            return
        owner, run = random.choice(OWNERS), random.random() < 0.5
        now, name = self.pair.clock.now, self.pair.new_name()
        job = replace(
            new_toy(name, owner=owner, created=now, execution_duration_s=60),
            parameters=random.choice(PARAMETERS),
            destruction=now + timedelta(seconds=LIMITS.lifetime_default_s),
        )
        self.pair.same(
            f"create {job} {run=}",
            lambda: self.pair.service.create(
                owner,
                job.parameters,
                job_type="toy",
                job_id=name,
                run=run,
                execution_duration_s=job.execution_duration_s,
            ),
            lambda: self.pair.model.create(job, run=run),
        )

    def get(self, random: Random) -> None:
        self._call("get", random)

    def start(self, random: Random) -> None:
        self._call("start", random, among=STARTABLE)

    def abort(self, random: Random) -> None:
        self._call("abort", random)

    def delete(self, random: Random) -> None:
        before = set(self.pair.model.jobs)
        self._call("delete", random)
        self.pair.gone += before - set(self.pair.model.jobs)

    def change(self, random: Random) -> None:
        verb, value = any_change(random)
        if verb == "set_destruction":
            value = self.pair.clock.now + timedelta(seconds=value)
        self._call(verb, random, value)

    def look(self, random: Random) -> None:
        phases, ago_s, last = any_filters(random)
        after = None if ago_s is None else self.pair.clock.now - timedelta(seconds=ago_s)
        self.pair.both("list", random.choice(OWNERS), phases=phases, after=after, last=last)

    def _call(
        self, verb: str, random: Random, *arguments: object, among: Collection[Phase] = ()
    ) -> None:
        """Call a verb on a job, mostly as its owner."""
        job_id = self.pair.some_job(random, among)
        model = self.pair.model.jobs.get(job_id)
        owner = model.known.owner if model and random.random() < 0.9 else "eve"
        self.pair.both(verb, owner, job_id, *arguments)
