"""A job store and its model side by side: both are told the same, and must answer the same."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from hypothesis import strategies as st
from typing_extensions import override

from tests.contract.job_model import WorkModel
from tests.contract.store_inputs import LIMITS
from tests.contract.store_model import StoreModel
from tests.toyjob import Recorder, ToyJob
from uws.errors import UWSError
from uws.files import LocalFiles
from uws.models import Phase
from uws.runtime import Runtime
from uws.service import JobService
from uws.store import JobStore

__all__ = ["Clock", "Lease", "StorePair"]


class Clock:
    """A clock that stands still, and a list of the dead, for all that asks for either."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 0, 1, UTC)
        self.dead: set[str] = set()

    def is_dead(self, holder: str) -> bool:
        return holder in self.dead

    def as_datetime(self) -> type[datetime]:
        """Give a `datetime` whose `now` is this clock's."""
        clock = self

        class Fixed(datetime):
            @classmethod
            @override
            def now(cls, tz: Any = None) -> Any:  # Any: no subclass, and a zone of any kind
                assert tz is UTC
                return clock.now

        return Fixed


@dataclass(frozen=True, slots=True)
class Lease:
    """What was taken once, by whom; it may have been lost long ago."""

    job_id: str
    holder: str
    step: str = ""
    number: int | None = None
    """Of the chunk; None for a step."""


@dataclass
class StorePair:
    """The two, and what tests have to remember of them."""

    runtime: Runtime
    """Of the store, with a queue that only notes what is sent."""

    model: StoreModel
    clock: Clock
    sent: list[str]
    """To the store's queue."""

    leases: list[Lease] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    """Ids of deleted jobs."""

    made: int = 0

    @classmethod
    def of(cls, store: JobStore, files: LocalFiles, clock: Clock, *, archive: bool) -> Self:
        """Make the pair of an empty store."""
        queue, limits = Recorder(), replace(LIMITS, archive=archive)
        model = StoreModel(limits, files, clock.now)
        clock.dead = model.dead
        runtime = Runtime(store, files, {"toy": ToyJob()}, queue, limits)
        return cls(runtime, model, clock, queue.sent)

    @property
    def store(self) -> JobStore:
        return self.runtime.store

    @property
    def service(self) -> JobService:
        return JobService(self.runtime)

    def wait(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)
        self.model.now = self.clock.now

    def both(self, real: Callable[[], Any], model: Callable[[], Any]) -> Any:
        """Call the store and the model; give the answer, which must be the same."""
        expected = _answer_of(model)
        assert _answer_of(real) == expected
        return expected

    def new_name(self) -> str:
        self.made += 1
        return f"{self.made:032x}"

    def some_job(self, data: st.DataObject, among: Collection[Phase] = ()) -> str:
        """Draw a job, of some phases if there is one; rarely one that is not there."""
        names = list(self.model.jobs)
        wanted = [name for name in names if self.model.jobs[name].phase in among]
        return data.draw(st.sampled_from([*(wanted or names) * 5, *self.gone[-1:], "f" * 32]))

    def some_lease(self, data: st.DataObject, *, of_chunk: bool = False) -> Lease | None:
        """Draw a lease that is held, or rather not, one that was lost; None if there is none."""
        leases = [item for item in self.leases if not of_chunk or item.number is not None]
        held = [item for item in leases if self.held(item)]
        return data.draw(st.sampled_from([*held * 3, *leases[-3:]])) if leases else None

    def held(self, lease: Lease) -> WorkModel | None:
        """Give what a lease stands for, if it is still held by it."""
        model = self.model.jobs.get(lease.job_id)
        if model is None or not model.steps:
            return None
        work: WorkModel
        work = model.steps[lease.step] if lease.number is None else model.chunks[lease.number]
        return work if work.holder == lease.holder else None


def _answer_of(call: Callable[[], Any]) -> Any:
    """Give what a verb answers, or the kind of its error."""
    try:
        return call()
    except UWSError as error:
        return type(error)
