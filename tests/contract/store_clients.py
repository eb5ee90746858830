"""What clients do with a job store and its model: each event draws its own arguments."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st

from tests.contract.store_inputs import CHANGES, JOBS_MAX, LIMITS, LISTS, OWNERS, PARAMETERS
from tests.contract.store_pair import StorePair
from tests.toyjob import new_toy
from uws.models import Phase

__all__ = ["Clients"]

_STRANGER = "eve"


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

    def create(self, data: st.DataObject) -> None:
        if len(self.pair.model.jobs) >= JOBS_MAX:
            return
        owner, parameters, run = data.draw(st.tuples(OWNERS, PARAMETERS, st.booleans()))
        now, name = self.pair.clock.now, self.pair.new_name()
        job = replace(
            new_toy(name, owner=owner, created=now, execution_duration_s=60),
            parameters=parameters,
            destruction=now + timedelta(seconds=LIMITS.lifetime_default_s),
        )
        self.pair.both(
            lambda: self.pair.service.create(
                owner,
                parameters,
                job_type="toy",
                job_id=job.id,
                run=run,
                execution_duration_s=job.execution_duration_s,
            ),
            lambda: self.pair.model.create(job, run=run),
        )

    def call(self, verb: str, data: st.DataObject, *arguments: object) -> None:
        job_id = self.pair.some_job(data, {Phase.PENDING} if verb == "start" else ())
        model = self.pair.model.jobs.get(job_id)
        owner = model.known.owner if model and data.draw(st.integers(0, 9)) else _STRANGER
        self.pair.both(
            lambda: getattr(self.pair.service, verb)(owner, job_id, *arguments),
            lambda: getattr(self.pair.model, verb)(owner, job_id, *arguments),
        )

    def get(self, data: st.DataObject) -> None:
        self.call("get", data)

    def start(self, data: st.DataObject) -> None:
        self.call("start", data)

    def abort(self, data: st.DataObject) -> None:
        self.call("abort", data)

    def delete(self, data: st.DataObject) -> None:
        before = set(self.pair.model.jobs)
        self.call("delete", data)
        self.pair.gone += before - set(self.pair.model.jobs)

    def change(self, data: st.DataObject) -> None:
        verb, value = data.draw(CHANGES)
        if verb == "set_destruction":
            value = self.pair.clock.now + timedelta(seconds=value)
        self.call(verb, data, value)

    def look(self, data: st.DataObject) -> None:
        owner, phases, ago_s, last = data.draw(LISTS)
        after = None if ago_s is None else self.pair.clock.now - timedelta(seconds=ago_s)
        self.pair.both(
            lambda: [*self.pair.service.list(owner, phases=phases, after=after, last=last)],
            lambda: self.pair.model.list(owner, phases=phases, after=after, last=last),
        )
