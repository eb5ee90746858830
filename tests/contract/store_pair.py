"""A job store and its model side by side: both are told the same, and must answer the same."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Self

from hypothesis import note
from typing_extensions import override

from tests.contract.store_inputs import LIMITS
from tests.contract.store_model import lives
from tests.contract.sweep_model import SweptModel
from tests.toyjob import Recorder, ToyJob
from tests.uws_runtime import part_with
from uws.errors import UWSError
from uws.localfiles import LocalFiles
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

    def is_killable(self, holder: str) -> bool:
        return lives(holder) and holder not in self.dead

    def kill(self, holder: str) -> bool:
        self.dead.add(holder)
        return True

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
    step: str | None = None
    number: int | None = None
    """Of the chunk, where it is no step."""


@dataclass
class StorePair:
    """The two, and what tests have to remember of them."""

    runtime: Runtime
    """Of the store, with a queue that only notes what is sent."""

    model: SweptModel
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
        model = SweptModel(limits, files, clock.now)
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

    def both(self, verb: str, *arguments: object, **named: object) -> Any:  # Any: an answer
        """Call a verb of the store or the service, and of the model; the answer is the same."""
        real = self.service if hasattr(self.service, verb) else part_with(self.store, verb)
        return self.same(
            f"{verb} {arguments} {named}",
            lambda: getattr(real, verb)(*arguments, **named),
            lambda: getattr(self.model, verb)(*arguments, **named),
        )

    def same(self, what: str, real: Callable[[], Any], model: Callable[[], Any]) -> Any:
        """Do something with the store and with the model; the answer must be the same."""
        expected = _answer_of(model)
        note(f"{what} -> {expected}")
        answer = _answer_of(real)
        assert answer == expected, f"{what}: answered {answer}, expected {expected}"
        return expected

    def new_name(self) -> str:
        """Make an id, or the name of a holder."""
        self.made += 1
        return f"{self.made:032x}"

    def some_job(self, random: Random, among: Collection[Phase] = ()) -> str:
        """Choose a job, of some phases if there is one; rarely one that is not there."""
        names = list(self.model.jobs)
        wanted = [name for name in names if self.model.jobs[name].phase in among]
        return random.choice([*(wanted or names) * 9, *self.gone[-1:], "f" * 32])

    def some_lease(self, random: Random, *, of_chunk: bool = False) -> Lease | None:
        """Choose a lease that is held, or one that another has by now, or one long lost."""
        leases = [item for item in self.leases if not of_chunk or item.number is not None]
        held = [item for item in leases if self.is_held(item)]
        taken = {(item.job_id, item.step, item.number) for item in held}
        lost = [item for item in leases if item not in held]
        others = [item for item in lost if (item.job_id, item.step, item.number) in taken]
        kinds = [kind for kind in (held, held, others, leases[-3:]) if kind]
        return random.choice(random.choice(kinds)) if kinds else None

    def is_held(self, lease: Lease) -> bool:
        """Tell whether nobody else has taken what a lease stands for."""
        held = self.model.held(lease.job_id, lease.holder, number=lease.number, step=lease.step)
        return held is not None


def _answer_of(call: Callable[[], Any]) -> Any:
    """Give what a verb answers, or the kind of its error."""
    try:
        answer = call()
    except UWSError as error:
        return type(error)
    return [*answer] if isinstance(answer, Iterator) else answer
