"""A state machine that does the same to a job store and to its model, and compares.

Clients act through `JobService`, workers and sweeps as `uws.work.steps` and `uws.work.sweep`
do. Time passes only where a rule says so. The rules are few and each does several things:
Hypothesis leaves out rules at random, and a job comes to its end by many small events.
"""

from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.contract.phase_trail import PhaseTrail
from tests.contract.store_clients import Clients
from tests.contract.store_inputs import PAUSES_S
from tests.contract.store_pair import Clock, StorePair
from tests.contract.store_rows import differences, rows_of, rows_of_model
from tests.contract.store_workers import Workers
from uws.localfiles import LocalFiles
from uws.store import JobStore
from uws.store.schema import METADATA

__all__ = ["StoreMachine"]

RANDOMS = st.randoms(use_true_random=True)
"""Hypothesis chooses their seeds only: what it chooses one by one is too often the same."""


class StoreMachine(RuleBasedStateMachine):
    """Calls store and model alike.

    Parameters
    ----------
    store
        Migrated, and for one machine at a time, which empties it first.
    files
        Where the jobs' files would be; none are made.
    clock
        Of which the modules of `uws` are told.
    trail
        Of the store.
    """

    def __init__(
        self, store: JobStore, files: LocalFiles, *, clock: Clock, trail: PhaseTrail
    ) -> None:
        super().__init__()
        self.store, self.files, self.clock, self.trail = store, files, clock, trail

    @initialize(archive=st.booleans(), random=RANDOMS)
    def begin(self, archive: bool, random: Random) -> None:
        with self.store._database.writing() as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(table.delete())
        self.trail.clear()
        self.pair = StorePair.of(self.store, self.files, self.clock, archive=archive)
        self.clients, self.workers = Clients(self.pair), Workers(self.pair)
        for _ in range(3):
            self.clients.create(random)

    @rule(random=RANDOMS)
    def clients_call(self, random: Random) -> None:
        for event in random.choices(Clients.EVENTS, k=random.randint(1, 4)):
            getattr(self.clients, event)(random)

    @rule(random=RANDOMS)
    def workers_work(self, random: Random) -> None:
        for event in random.choices(Workers.EVENTS, k=random.randint(1, 12)):
            getattr(self.workers, event)(random)

    @rule(random=RANDOMS)
    def time_passes(self, random: Random) -> None:
        self.pair.wait(random.choice(PAUSES_S))
        if random.random() < 0.8:
            self.workers.sweep(is_queue_new=random.random() < 0.3)

    @invariant()
    def phases_move_by_law(self) -> None:
        illegal = [step for step in self.trail.steps() if not step.is_legal]
        assert not illegal, illegal

    @invariant()
    def the_queue_has_what_was_sent(self) -> None:
        sent, expected = sorted(self.pair.sent), sorted(self.pair.model.sent)
        assert sent == expected, f"sent {sent}, expected {expected}"
        self.pair.sent.clear()
        self.pair.model.sent.clear()

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        found = differences(rows_of(self.store), rows_of_model(self.pair.model))
        assert not found, "\n".join(found)
