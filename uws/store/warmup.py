"""A made-up job, worked from its plan to its end and rolled back.

The first use of a statement is slow: SQLAlchemy compiles it, which takes half a millisecond or
more. A worker does it once before it forks, so that no task has to.
"""

from datetime import UTC, datetime

from uws.jobtype import ChunkPlan, Outcome, Plan
from uws.models import ChunkReport, Job, Parameter, Phase, Result
from uws.store.jobs import JobStore

__all__ = ["warm_up"]

_ID = "warm-up"
"""No job of a server has such an id."""

_HOLDER = "nobody"
_LEASE_S = 60


def warm_up(store: JobStore) -> None:
    """Run all statements of a job of one chunk in a transaction that is rolled back."""
    now = datetime.now(UTC)
    job = Job(_ID, _ID, _ID, Phase.QUEUED, now, now, _LEASE_S, parameters=(Parameter("A", ""),))
    with store.trial() as trial:
        work = trial.work
        trial.create(job)
        work.lease_step(_ID, "plan", holder=_HOLDER, lease_s=_LEASE_S)
        trial.get(_ID)
        work.save_plan(_ID, Plan((ChunkPlan({}, 1),), notes=(_ID,)))
        (number,) = work.next_chunks(_ID, 1)
        work.claim_chunk(_ID, number, holder=_HOLDER, lease_s=_LEASE_S)
        trial.move(_ID, Phase.EXECUTING, among={Phase.QUEUED})
        work.report_chunk(_ID, number, ChunkReport(1, detail={"warm": True}), holder=_HOLDER)
        work.next_chunks(_ID, 1)
        work.lease_step(_ID, "finish", holder=_HOLDER, lease_s=_LEASE_S)
        work.reports(_ID)
        trial.complete(_ID, Outcome(results=(Result(_ID, _ID, "", 0),), notes=(_ID,)))
        trial.get(_ID)
