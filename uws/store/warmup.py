"""A job that is made up, worked from its plan to its end, and never was.

What is done here for the first time is slow: SQLAlchemy compiles each statement, half a
millisecond and more. A worker rehearses before it forks, so that no task has to.
"""

from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from uws.jobtype import ChunkPlan, Outcome, Plan
from uws.models import ChunkReport, ChunkState, Job, Parameter, Phase, Result
from uws.store import jobrows, work

__all__ = ["rehearse"]

_ID = "rehearsal"
"""No job of a server has such an id."""

_HOLDER = "nobody"
_LEASE_S = 60


def rehearse(connection: Connection) -> None:
    """Do all that a job of one chunk needs, in a transaction that must be taken back."""
    now = datetime.now(UTC)
    parameters = (Parameter("REHEARSAL", ""),)
    job = Job(_ID, _ID, _ID, Phase.QUEUED, now, now, _LEASE_S, parameters=parameters)
    jobrows.insert_job(connection, job)
    _lease_step(connection, "plan", now)
    jobrows.fetch_job(connection, _ID)
    work.save_plan(connection, _ID, Plan((ChunkPlan({}, 1),)))
    jobrows.add_notes(connection, _ID, [_ID])
    _work_chunk(connection, now)
    _lease_step(connection, "finish", now)
    work.fetch_reports(connection, _ID)
    outcome = Outcome(results=(Result(_ID, _ID, "", 0),), notes=(_ID,))
    jobrows.complete_job(connection, _ID, outcome, now=now)
    jobrows.fetch_job(connection, _ID)


def _lease_step(connection: Connection, step: str, now: datetime) -> None:
    work.lease_step(connection, _ID, step, holder=_HOLDER, now=now, lease_s=_LEASE_S)


def _work_chunk(connection: Connection, now: datetime) -> None:
    (number,) = work.send_chunks(connection, _ID, 1, now=now)
    work.claim_chunk(connection, _ID, number, holder=_HOLDER, now=now, lease_s=_LEASE_S)
    jobrows.move_job(connection, _ID, Phase.EXECUTING, among={Phase.QUEUED}, now=now)
    report = ChunkReport(1, detail={"rehearsed": True})
    state = ChunkState.DONE
    work.report_chunk(connection, _ID, number, report, holder=_HOLDER, state=state)
    work.send_chunks(connection, _ID, 1, now=now)
