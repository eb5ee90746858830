"""What the state machine of the job store puts in: jobs, plans, reports, times.

All small, so that rare meetings are frequent.
"""

from hypothesis import strategies as st

from tests.toyjob import toy_parameters
from uws.jobtype import ChunkPlan, Outcome, Plan
from uws.models import AT_WORK, ChunkReport, ChunkState, ErrorSummary, Parameter, Phase, Result
from uws.runtime import JobLimits

__all__ = [
    "CHANGES",
    "JOBS_MAX",
    "LEASES_S",
    "LIMITS",
    "LISTS",
    "MOVES_TO",
    "OUTCOMES",
    "OWNERS",
    "PARAMETERS",
    "PAUSES_S",
    "PLANS",
    "REPORTS",
    "RESTS_S",
]

DAY_S = 86400
LIMITS = JobLimits(
    execution_max_s=0,
    lifetime_default_s=2 * DAY_S,
    lifetime_max_s=1000 * DAY_S,
    running_jobs_max=2,
    window=2,
    lease_s=30,
    archive_days=1,
)
JOBS_MAX = 6
ERROR = ErrorSummary("Error: it broke")

PAUSES_S = st.sampled_from([31, 5, 1, 4, 26, 30, 31, 31, 61, 61, 700, DAY_S])
"""Around the lengths of leases, rests and durations."""

LEASES_S = st.sampled_from([5, 30, 30])
RESTS_S = st.sampled_from([None, 5.0, 60.0])
OWNERS = st.sampled_from(["", "ann"])
PARAMETERS = st.sampled_from(
    [
        toy_parameters(WORD="sky"),
        toy_parameters(WORD="sky"),
        (*toy_parameters(TIMES="3"), Parameter("WORD", "sea")),
        toy_parameters(WORD="s" * 21),
        toy_parameters(WORLD="sky"),
        (),
    ]
)
CHANGES = st.one_of(
    st.tuples(st.just("set_parameters"), PARAMETERS),
    st.tuples(st.just("set_destruction"), st.integers(1, 3 * DAY_S)),
    st.tuples(st.just("set_execution_duration"), st.sampled_from([0, 20, 1000])),
)
"""Verbs of the service and their values; a destruction in seconds from now."""

LISTS = st.tuples(
    OWNERS,
    st.sets(st.sampled_from(list(Phase)), max_size=3),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 4),
)
"""Owner, phases, age in seconds, how many."""

PLANS = st.builds(
    lambda totals, done, failed, notes: Plan(
        [ChunkPlan({"n": n}, total) for n, total in enumerate(totals)], done, failed, notes
    ),
    st.lists(st.integers(1, 3), max_size=3),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([(), ("of the plan",)]),
)
REPORTS = st.tuples(
    st.builds(ChunkReport, st.integers(0, 3), st.integers(0, 3), st.integers(0, 10**12)),
    st.sampled_from([ChunkState.DONE, ChunkState.DONE, ChunkState.FAILED]),
)
OUTCOMES = st.sampled_from(
    [
        Outcome(),
        Outcome((Result("a", "job/a", "text/plain", 3), Result("b", "job/b", "text/plain"))),
        Outcome(error=ERROR, notes=("at the end",)),
    ]
)
MOVES_TO = st.tuples(
    st.sampled_from([Phase.EXECUTING, *sorted(set(Phase) - {Phase.QUEUED})]),
    st.just(AT_WORK) | st.sets(st.sampled_from(list(Phase)), max_size=3),
    st.none() | st.just(ERROR),
)
"""To where, from where, and why; never to QUEUED, which asks for admission."""
