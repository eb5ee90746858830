"""What the state machine of the job store puts in: jobs, plans, reports, times.

All small, so that rare meetings are frequent; drawn by a generator whose seed Hypothesis chooses.
"""

from collections.abc import Collection
from random import Random
from typing import Any

from tests.toyjob import toy_parameters
from uws.jobtype import ChunkPlan, Outcome, Plan
from uws.models import AT_WORK, ChunkReport, ChunkState, ErrorSummary, Parameter, Phase, Result
from uws.runtime import JobLimits

__all__ = [
    "ERROR",
    "JOBS_MAX",
    "LEASES_S",
    "LIMITS",
    "OUTCOMES",
    "OWNERS",
    "PARAMETERS",
    "PAUSES_S",
    "RESTS_S",
    "any_change",
    "any_filters",
    "any_move",
    "any_plan",
    "any_report",
]

_DAY_S = 86400

LIMITS = JobLimits(
    execution_max_s=0,
    lifetime_default_s=_DAY_S,
    lifetime_max_s=1000 * _DAY_S,
    running_jobs_max=2,
    window=2,
    lease_s=30,
    archive_days=1,
)
JOBS_MAX = 6
PAUSES_S = (*(1, 4, 5, 26, 30, 31) * 3, 61, 61, 700, _DAY_S)
"""Around the lengths of leases, rests and durations."""

LEASES_S = (5, 30, 30)
RESTS_S = (None, 5.0, 60.0)
OWNERS = ("", "ann", "bob")
ERROR = ErrorSummary("Error: it broke")
PARAMETERS: tuple[tuple[Parameter, ...], ...] = (
    *(toy_parameters(WORD="sky"),) * 4,
    (*toy_parameters(TIMES="3"), Parameter("WORD", "sea")),
    toy_parameters(WORD="s" * 21),
    toy_parameters(WORLD="sky"),
    (),
)
OUTCOMES = (
    Outcome(),
    Outcome((Result("a", "job/a", "text/plain", 3), Result("b", "job/b", "text/plain"))),
    Outcome(error=ERROR, notes=("at the end",)),
)


def any_plan(random: Random) -> Plan:
    """Make a plan of no chunk to three."""
    totals = [random.randint(1, 3) for _ in range(random.randint(0, 3))]
    chunks = [ChunkPlan({"n": number}, total) for number, total in enumerate(totals)]
    notes = random.choice([(), ("of the plan",)])
    return Plan(chunks, random.randint(0, 2), random.randint(0, 2), notes)


def any_report(random: Random) -> tuple[ChunkReport, ChunkState]:
    """Make a report, and say whether its chunk was worked or given up."""
    report = ChunkReport(random.randint(0, 3), random.randint(0, 3), random.randint(0, 10**12))
    return report, random.choice(
        [ChunkState.DONE] * 3 + [ChunkState.FAILED, ChunkState.UNAVAILABLE]
    )


def any_change(random: Random) -> tuple[str, Any]:
    """Give a verb of the service and its value; a destruction in seconds from now."""
    return random.choice(
        [
            ("set_parameters", random.choice(PARAMETERS)),
            (
                "set_destruction",
                random.choice([random.randint(1, 99), random.randint(1, 3 * _DAY_S)]),
            ),
            ("set_execution_duration", random.choice([0, 20, 1000])),
        ]
    )


def any_filters(random: Random) -> tuple[Collection[Phase], int | None, int | None]:
    """Give filters of a list: phases, age in seconds, how many."""
    phases = set(random.sample(list(Phase), random.randint(0, 3)))
    ago_s = random.choice([None, random.randint(0, 100)])
    return phases, ago_s, random.choice([None, random.randint(0, 4)])


def any_move(random: Random) -> tuple[Phase, Collection[Phase]]:
    """Give a phase and those from which to go there; not QUEUED, which asks for admission."""
    to = random.choice([Phase.EXECUTING, *sorted(set(Phase) - {Phase.QUEUED})])
    return to, random.choice([AT_WORK, set(random.sample(list(Phase), 3))])
