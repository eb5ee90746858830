"""A job's three steps over a `Runtime`: plan it, work its chunks, finish it.

The store decides who works on what; a task that comes late, twice, or for a job that is gone
does nothing. Every failure of a job type ends here as one of three kinds: the user's (ERROR with
its text), the moment's (tried again), or ours (ERROR with a reference to the log).
Imports runtime, lease, buglog, holder, models, errors and jobtype.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from uws.buglog import BugLog, log_bug
from uws.errors import FatalError, JobStopped, NotFoundError, TransientError, UWSError
from uws.holder import this_holder
from uws.jobtype import JobContext, JobType
from uws.lease import Holding, LeaseContext, keep_lease
from uws.models import AT_WORK, Chunk, ChunkReport, ChunkState, ErrorSummary, Job, Phase
from uws.runtime import Runtime

__all__ = ["finish_job", "plan_job", "run_chunk"]

_log = logging.getLogger(__name__)

_QUOTE_AFTER = timedelta(seconds=5)
"""A rate is not known earlier; a quote that would change by less stays as it is."""


_Reported = tuple[ChunkReport, ChunkState]


class _Verdict(Enum):
    """What is to be done about a chunk after a try."""

    SETTLED = auto()
    AGAIN = auto()
    LATER = auto()


def plan_job(runtime: Runtime, job_id: str) -> bool:
    """Divide a QUEUED job into chunks and send the first ones.

    A job of one chunk, or none, is worked and finished right here.

    Returns
    -------
    bool
        False when the step is to be tried again later.
    """
    if not _do_step(runtime, job_id, "plan", _plan):
        return False
    job = _find(runtime, job_id)
    if job is None or job.phase not in AT_WORK or job.chunk_count is None:
        return True
    numbers = runtime.store.next_chunks(job_id, runtime.limits.window)
    if job.chunk_count == 0:
        return finish_job(runtime, job_id)
    if job.chunk_count == 1:
        return run_chunk(runtime, job_id, 0)
    if numbers:
        _send(lambda: runtime.executor.send_chunks(job_id, numbers), job_id)
    return True


def run_chunk(runtime: Runtime, job_id: str, number: int) -> bool:
    """Work on one chunk, then send the next, or finish the job after the last.

    Returns
    -------
    bool
        False when the chunk, or the finish, is to be tried again later.
    """
    store, limits = runtime.store, runtime.limits
    verdict, bugs = _Verdict.AGAIN, BugLog()
    while verdict is _Verdict.AGAIN:
        holder = this_holder()
        chunk = store.claim_chunk(job_id, number, holder=holder, lease_s=limits.lease_s)
        job = _find(runtime, job_id)
        if job is None:
            return True
        if chunk is None:
            # Not to be had. What belongs to this task all the same is the finish of a small job.
            return job.chunk_count != 1 or finish_job(runtime, job_id)
        _begin(runtime, job)
        verdict = _try_chunk(runtime, job, chunk, holder=holder, bugs=bugs)
    return verdict is _Verdict.SETTLED


def finish_job(runtime: Runtime, job_id: str) -> bool:
    """Join the chunks' reports into the results, and move the job to COMPLETED or ERROR.

    Returns
    -------
    bool
        False when the step is to be tried again later.
    """
    return _do_step(runtime, job_id, "finish", _finish)


def _do_step(
    runtime: Runtime, job_id: str, step: str, work: Callable[[Runtime, JobContext], None]
) -> bool:
    """Take a step's lease, do its work, and turn what is raised into the job's error."""
    store, limits = runtime.store, runtime.limits
    holder = this_holder()
    tries = store.lease_step(job_id, step, holder=holder, lease_s=limits.lease_s)
    job = _find(runtime, job_id) if tries else None
    if job is None:
        return True
    started = time.monotonic()
    try:
        _refuse_deadly(step, tries, limits.tries)
        with keep_lease(runtime, job, Holding(holder, step=step)) as context:
            work(runtime, context)
    except JobStopped:
        _log.info("%s stopped", step, extra={"job_id": job_id})
    except TransientError as error:
        _log.warning("%s failed, try %d: %s", step, tries, error, extra={"job_id": job_id})
        if tries < limits.tries:
            store.release_step(job_id, step, holder=holder)
            return False
        _fail(runtime, job_id, ErrorSummary.of(error))
    except UWSError as error:
        _fail(runtime, job_id, ErrorSummary.of(error))
    except Exception:  # noqa: BLE001 - a job type's bug must not leave its job without an end
        reference = log_bug(f"{step} failed", {"job_id": job_id})
        _fail(runtime, job_id, ErrorSummary(f"Error: internal error, reference {reference}"))
    else:
        _log.info("%s done", step, extra={"job_id": job_id, "elapsed_s": _elapsed(started)})
    return True


def _refuse_deadly(step: str, tries: int, limit: int) -> None:
    if tries > limit:
        raise FatalError(f"the {step} was given up: no worker survived it in {limit} tries")


def _plan(runtime: Runtime, context: JobContext) -> None:
    plan = _job_type(runtime, context.job).plan(context)
    runtime.store.save_plan(context.job.id, plan)


def _finish(runtime: Runtime, context: JobContext) -> None:
    job = context.job
    _begin(runtime, job)
    reports = runtime.store.reports(job.id)
    outcome = _job_type(runtime, job).finish(context, reports)
    if runtime.store.complete(job.id, outcome):
        phase = Phase.ERROR if outcome.error else Phase.COMPLETED
        _log.info("job %s", phase, extra={"job_id": job.id})


def _begin(runtime: Runtime, job: Job) -> None:
    """Move a job to EXECUTING, once."""
    if job.phase is Phase.QUEUED and runtime.store.move(
        job.id, Phase.EXECUTING, among={Phase.QUEUED}
    ):
        _log.info("job %s", Phase.EXECUTING, extra={"job_id": job.id})


def _try_chunk(runtime: Runtime, job: Job, chunk: Chunk, *, holder: str, bugs: BugLog) -> _Verdict:
    """Work on a chunk held, and decide what follows from how it went."""
    extra = {"job_id": job.id, "chunk": chunk.number}
    started = time.monotonic()
    _update_quote(runtime, job)
    result: _Reported | _Verdict
    try:
        holding = Holding(holder, number=chunk.number, attempts=chunk.attempts)
        with keep_lease(runtime, job, holding) as context:
            result = _work_or_give_up(context, chunk, bugs)
    except JobStopped:
        _log.info("chunk stopped", extra=extra)
        return _Verdict.SETTLED
    if isinstance(result, _Verdict):
        runtime.store.release_chunk(job.id, chunk.number, holder=holder)
        return result
    report, state = result
    left = runtime.store.report_chunk(job.id, chunk.number, report, holder=holder, state=state)
    if left is None:
        _log.info("chunk came too late to count", extra=extra)
        return _Verdict.SETTLED
    _log.info(
        "chunk %s, %d done, %d failed",
        state,
        report.done,
        report.failed,
        extra={**extra, "elapsed_s": _elapsed(started)},
    )
    return _go_on(runtime, job, left)


def _work_or_give_up(context: LeaseContext, chunk: Chunk, bugs: BugLog) -> _Reported | _Verdict:
    """Run a chunk, or account for it when its tries are used up."""
    tries = context.runtime.limits.tries
    extra = {"job_id": chunk.job_id, "chunk": chunk.number}
    if chunk.attempts > tries:
        return _give_up(context, chunk, f"no worker survived it in {tries} tries")
    try:
        return _job_type(context.runtime, context.job).run_chunk(context, chunk), ChunkState.DONE
    except TransientError as error:
        _log.warning("chunk failed, try %d: %s", chunk.attempts, error, extra=extra)
        if context.has_progressed or chunk.attempts < tries:
            return _Verdict.LATER
        return _give_up(context, chunk, str(error), is_whole=True)
    except Exception as error:  # noqa: BLE001 - a job type's bug fails its chunk, not the job
        bug = bugs.note(error, f"chunk failed, try {chunk.attempts}", extra)
        # A bug that used up the tries of one item is not tried so often at each of the others.
        if not bug.is_lasting and (context.has_progressed or chunk.attempts < tries):
            return _Verdict.AGAIN
        bug.is_lasting = True
        return _give_up(context, chunk, f"internal error, reference {bug.reference}")


def _give_up(
    context: LeaseContext, chunk: Chunk, reason: str, *, is_whole: bool = False
) -> _Reported | _Verdict:
    """Have the job type account for a chunk; if even that fails, count its items as failed."""
    tries, job_type = context.runtime.limits.tries, _job_type(context.runtime, context.job)
    extra = {"job_id": chunk.job_id, "chunk": chunk.number}
    _log.warning("chunk given up, or an item of it: %s", reason, extra=extra)
    bare = ChunkReport(0, chunk.total, detail={"reason": reason}), ChunkState.FAILED
    if chunk.attempts > tries + 1:
        return bare
    try:
        report = job_type.give_up_chunk(context, chunk, reason, is_whole=is_whole)
    except TransientError as error:
        _log.warning("chunk not accounted for: %s", error, extra=extra)
        return _Verdict.LATER if chunk.attempts <= tries else bare
    except Exception:  # noqa: BLE001 - the last resort must not keep a job from its end
        log_bug("chunk not accounted for", extra)
        return bare
    if report is not None:
        return report, ChunkState.FAILED
    holder = context.holding.holder
    if context.runtime.store.forget_attempts(chunk.job_id, chunk.number, holder=holder, attempts=0):
        return _Verdict.AGAIN
    return bare


def _go_on(runtime: Runtime, job: Job, left: int) -> _Verdict:
    """Send what comes after a chunk: the next ones, or the finish."""
    if left > 0:
        numbers = runtime.store.next_chunks(job.id, runtime.limits.window)
        if numbers:
            _send(lambda: runtime.executor.send_chunks(job.id, numbers), job.id)
    elif job.chunk_count == 1:
        return _Verdict.SETTLED if finish_job(runtime, job.id) else _Verdict.LATER
    else:
        _send(lambda: runtime.executor.send_finish(job.id), job.id)
    return _Verdict.SETTLED


def _send(call: Callable[[], None], job_id: str) -> None:
    try:
        call()
    except TransientError as error:
        _log.warning("not sent, left to the sweep: %s", error, extra={"job_id": job_id})


def _update_quote(runtime: Runtime, job: Job) -> None:
    """Foretell the job's end from its progress, if that changes what was said before."""
    progress = job.progress
    worked = progress.done + progress.failed
    if job.start_time is None or not worked:
        return
    now = datetime.now(UTC)
    elapsed = now - job.start_time
    remaining = elapsed * ((progress.total - worked) / worked)
    quote = now + remaining
    change = abs(quote - job.quote) if job.quote else timedelta.max
    if elapsed >= _QUOTE_AFTER and change > max(_QUOTE_AFTER, remaining / 20):
        runtime.store.set_quote(job.id, quote)


def _fail(runtime: Runtime, job_id: str, error: ErrorSummary) -> None:
    if runtime.store.move(job_id, Phase.ERROR, among=AT_WORK, error=error):
        _log.info("job %s: %s", Phase.ERROR, error.message, extra={"job_id": job_id})


def _find(runtime: Runtime, job_id: str) -> Job | None:
    """Read a job that may have been deleted meanwhile."""
    try:
        return runtime.store.get(job_id)
    except NotFoundError:
        return None


def _job_type(runtime: Runtime, job: Job) -> JobType:
    return runtime.job_types[job.job_type]


def _elapsed(started: float) -> float:
    return round(time.monotonic() - started, 4)
