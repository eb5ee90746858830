"""The three steps of a job: plan it, work its chunks, finish it.

The store decides who works on what; a task that comes late, twice, or for a job that is gone does
nothing. Errors of a job type are of three kinds, as in `uws.errors`: a usage error ends the job in
ERROR with its text; after a transient error, also of disks and file servers, the work is tried
again, with growing pauses; any other ends the job in ERROR with a reference to the log.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto

from uws.errors import (
    FatalError,
    JobStopped,
    NotFoundError,
    TransientError,
    UWSError,
    storage_error,
)
from uws.incidents import BugLog, log_bug
from uws.jobtype import JobContext, JobType
from uws.lease_owner import this_holder
from uws.models import AT_WORK, Chunk, ChunkReport, ChunkState, ErrorSummary, Job, Phase
from uws.runtime import Runtime
from uws.work.lease import Holding, LeaseContext, keep_lease, until_answered
from uws.work.quoting import quote_job, requote

__all__ = ["finish_job", "plan_job", "run_chunk"]

_log = logging.getLogger(__name__)


class _Verdict(Enum):
    """What follows for a chunk after a try."""

    SETTLED = auto()
    AGAIN = auto()
    LATER = auto()


@dataclass(frozen=True, slots=True)
class _Reported:
    """How a chunk ended."""

    report: ChunkReport
    state: ChunkState


@dataclass(frozen=True, slots=True)
class _Retry:
    """A chunk must be tried again."""

    pause_s: float | None = None
    """None: at once, by the same worker."""


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
    numbers = runtime.store.work.next_chunks(job_id, runtime.limits.window)
    if job.chunk_count == 0:
        return finish_job(runtime, job_id)
    if job.chunk_count == 1:
        return run_chunk(runtime, job_id, 0)
    if numbers:
        _send(lambda: runtime.executor.send_chunks(job_id, numbers), job_id)
    quote_job(runtime, job_id)
    return True


def run_chunk(runtime: Runtime, job_id: str, number: int) -> bool:
    """Work on one chunk, then send the next, or finish the job after the last.

    Returns
    -------
    bool
        False when the chunk, or the finish, is to be tried again later.
    """
    work, limits = runtime.store.work, runtime.limits
    verdict, bugs = _Verdict.AGAIN, BugLog()
    while verdict is _Verdict.AGAIN:
        holder = this_holder(is_task=runtime.executor.forks)
        chunk = work.claim_chunk(job_id, number, holder=holder, lease_s=limits.lease_s)
        if chunk is None:
            # Another has it, or it is done. A small job may still need its finish, which is part of
            # this task.
            job = _find(runtime, job_id)
            return job is None or job.chunk_count != 1 or finish_job(runtime, job_id)
        verdict = _try_chunk(runtime, chunk, holder=holder, bugs=bugs)
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
    runtime: Runtime, job_id: str, step: str, act: Callable[[Runtime, JobContext], None]
) -> bool:
    """Claim a step's lease, do its work, and convert exceptions to the job's error."""
    work, limits = runtime.store.work, runtime.limits
    holder = this_holder(is_task=runtime.executor.forks)
    tries = work.lease_step(job_id, step, holder=holder, lease_s=limits.lease_s)
    job = until_answered(limits, lambda: _find(runtime, job_id)) if tries else None
    if job is None:
        return True
    started, holding = time.monotonic(), Holding(holder, step=step)
    try:
        if tries > limits.tries:
            _refuse_deadly(runtime, job_id, step, tries)
        with keep_lease(runtime, job, holding) as context, _transient_storage_errors():
            act(runtime, context)
    except JobStopped:
        _log.info("%s stopped", step, extra={"job_id": job_id})
        _let_go(context)
    except TransientError as error:
        return _put_off(runtime, job_id, holding, error=error, tries=tries)
    except UWSError as error:
        _fail(runtime, job_id, holding, ErrorSummary.of(error))
    except Exception:  # noqa: BLE001 - a job type's bug must not leave its job without an end
        reference = log_bug(f"{step} failed", {"job_id": job_id})
        summary = ErrorSummary(f"Error: internal error, reference {reference}")
        _fail(runtime, job_id, holding, summary)
    else:
        _log.info("%s done", step, extra={"job_id": job_id, "elapsed_s": _elapsed(started)})
    return True


def _put_off(
    runtime: Runtime, job_id: str, holding: Holding, *, error: TransientError, tries: int
) -> bool:
    """Return a step to the store after a transient error; return whether retries are used up."""
    work, limits = runtime.store.work, runtime.limits
    step, holder = holding.step or "", holding.holder
    failures = until_answered(limits, lambda: work.step_failures(job_id, step))
    pause_s = limits.pause_after_s(failures + 1)
    _warn(f"{step} failed, try {tries}", error, pause_s, {"job_id": job_id})
    if pause_s is None:
        _fail(runtime, job_id, holding, ErrorSummary.of(error))
        return True
    until_answered(limits, lambda: work.release_step(job_id, step, holder=holder, pause_s=pause_s))
    return False


def _let_go(context: LeaseContext) -> None:
    """Return work to the store whose lease ran out while the store was unavailable."""
    work, job_id, held = context.runtime.store.work, context.job.id, context.holding

    def release() -> None:
        if held.number is not None:
            work.release_chunk(job_id, held.number, holder=held.holder, pause_s=0.0)
        elif held.step is not None:
            work.release_step(job_id, held.step, holder=held.holder, pause_s=0.0)

    if not context.is_lost.is_set():
        until_answered(context.runtime.limits, release)


def _refuse_deadly(runtime: Runtime, job_id: str, step: str, tries: int) -> None:
    """Give up a step that killed too many workers; workers that returned it do not count."""
    limit, work = runtime.limits.tries, runtime.store.work
    if tries - until_answered(runtime.limits, lambda: work.step_failures(job_id, step)) > limit:
        raise FatalError(f"the {step} was given up: no worker survived it in {limit} tries")


@contextmanager
def _transient_storage_errors() -> Iterator[None]:
    """Convert errors of disks and file servers to transient errors."""
    try:
        yield
    except OSError as error:
        away = storage_error(error)
        if away is None:
            raise
        raise away from error


def _warn(what: str, error: Exception, pause_s: float | None, extra: dict[str, object]) -> None:
    then = "given up" if pause_s is None else f"tried again in {pause_s:g} s"
    _log.warning("%s: %s; %s", what, error, then, extra=extra)


def _plan(runtime: Runtime, context: JobContext) -> None:
    plan = _job_type(runtime, context.job).plan(context)
    until_answered(runtime.limits, lambda: runtime.store.work.save_plan(context.job.id, plan))


def _finish(runtime: Runtime, context: JobContext) -> None:
    job = context.job
    _begin(runtime, job)
    context.files.discard_parts(job.id)  # of workers that were killed while they wrote
    reports = runtime.store.work.reports(job.id)
    outcome = _job_type(runtime, job).finish(context, reports)
    if until_answered(runtime.limits, lambda: runtime.store.complete(job.id, outcome)):
        phase = Phase.ERROR if outcome.error else Phase.COMPLETED
        _log.info("job %s", phase, extra={"job_id": job.id})


def _begin(runtime: Runtime, job: Job) -> None:
    """Move a job to EXECUTING, once."""
    if job.phase is Phase.QUEUED and runtime.store.move(
        job.id, Phase.EXECUTING, among={Phase.QUEUED}
    ):
        _log.info("job %s", Phase.EXECUTING, extra={"job_id": job.id})


def _try_chunk(runtime: Runtime, chunk: Chunk, *, holder: str, bugs: BugLog) -> _Verdict:
    """Work on a claimed chunk, and decide what follows from the outcome."""
    extra = {"job_id": chunk.job_id, "chunk": chunk.number}
    started, limits = time.monotonic(), runtime.limits
    job = until_answered(limits, lambda: _find_begun(runtime, chunk.job_id))
    if job is None:
        return _Verdict.SETTLED
    requote(runtime, job)
    result: _Reported | _Retry
    try:
        holding = Holding(holder, number=chunk.number, attempts=chunk.attempts)
        with keep_lease(runtime, job, holding) as context:
            result = _work_or_give_up(context, chunk, bugs)
    except JobStopped:
        _log.info("chunk stopped", extra=extra)
        _let_go(context)
        return _Verdict.SETTLED
    left = until_answered(limits, lambda: _tell(runtime, chunk, result, holder=holder))
    if isinstance(result, _Retry):
        return _Verdict.AGAIN if result.pause_s is None else _Verdict.LATER
    if left is None:
        _log.info("chunk came too late to count", extra=extra)
        return _Verdict.SETTLED
    _log.info(
        "chunk %s, %d done, %d failed",
        result.state,
        result.report.done,
        result.report.failed,
        extra={**extra, "elapsed_s": _elapsed(started)},
    )
    return _go_on(runtime, job, left)


def _find_begun(runtime: Runtime, job_id: str) -> Job | None:
    """Read the job of a claimed chunk, and move it to EXECUTING."""
    job = _find(runtime, job_id)
    if job is not None:
        _begin(runtime, job)
    return job


def _tell(runtime: Runtime, chunk: Chunk, result: _Reported | _Retry, *, holder: str) -> int | None:
    """Return a chunk to the store, or report it as `WorkStore.report_chunk` does."""
    work, job_id, number = runtime.store.work, chunk.job_id, chunk.number
    if isinstance(result, _Retry):
        work.release_chunk(job_id, number, holder=holder, pause_s=result.pause_s)
        return None
    return work.report_chunk(job_id, number, result.report, holder=holder, state=result.state)


def _work_or_give_up(context: LeaseContext, chunk: Chunk, bugs: BugLog) -> _Reported | _Retry:
    """Run a chunk, or account for it when its tries are used up."""
    tries = context.runtime.limits.tries
    extra = {"job_id": chunk.job_id, "chunk": chunk.number}
    # Attempts that ended in a transient error did not kill their worker.
    deadly = chunk.attempts - chunk.failures
    if deadly > tries:
        return _give_up(context, chunk, f"no worker survived it in {tries} tries")
    job_type = _job_type(context.runtime, context.job)
    try:
        with _transient_storage_errors():
            return _Reported(job_type.run_chunk(context, chunk), ChunkState.DONE)
    except TransientError as error:
        pause_s = _pause_s(context, chunk)
        _warn(f"chunk failed, try {chunk.attempts}", error, pause_s, extra)
        if pause_s is not None:
            return _Retry(pause_s)
        return _give_up(context, chunk, str(error), is_whole=True)
    except Exception as error:  # noqa: BLE001 - a job type's bug fails its chunk, not the job
        bug = bugs.note(error, f"chunk failed, try {chunk.attempts}", extra)
        # A bug that used up the tries of one item is not tried as often with the others.
        if not bug.is_lasting and (context.has_progressed or deadly < tries):
            return _Retry()
        bug.is_lasting = True
        return _give_up(context, chunk, f"internal error, reference {bug.reference}")


def _pause_s(context: LeaseContext, chunk: Chunk) -> float | None:
    """Return the pause before the next attempt of a chunk with a transient error, or None.

    If a chunk of the same job was given up after the full wait, the other chunks do not wait as
    long for the same resource.
    """
    limits = context.runtime.limits
    if context.has_progressed:
        return limits.retry_pause_s
    failures, work = chunk.failures + 1, context.runtime.store.work
    if failures >= limits.tries and until_answered(limits, lambda: work.has_given_up(chunk.job_id)):
        return None
    return limits.pause_after_s(failures)


def _give_up(
    context: LeaseContext, chunk: Chunk, reason: str, *, is_whole: bool = False
) -> _Reported | _Retry:
    """Let the job type record a chunk as failed; if that fails too, count its items as failed."""
    tries, job_type = context.runtime.limits.tries, _job_type(context.runtime, context.job)
    extra = {"job_id": chunk.job_id, "chunk": chunk.number}
    _log.warning("chunk given up, or an item of it: %s", reason, extra=extra)
    state = ChunkState.UNAVAILABLE if is_whole else ChunkState.FAILED
    bare = _Reported(ChunkReport(0, chunk.total, detail={"reason": reason}), state)
    if chunk.attempts - chunk.failures > tries + 1:
        return bare
    try:
        with _transient_storage_errors():
            report = job_type.give_up_chunk(context, chunk, reason, is_whole=is_whole)
    except TransientError as error:
        pause_s = _pause_s(context, chunk)
        _warn("chunk not accounted for", error, pause_s, extra)
        return replace(bare, state=ChunkState.UNAVAILABLE) if pause_s is None else _Retry(pause_s)
    except Exception:  # noqa: BLE001 - the last resort must not keep a job from its end
        log_bug("chunk not accounted for", extra)
        return bare
    if report is not None:
        return _Reported(report, state)
    work, holder = context.runtime.store.work, context.holding.holder
    is_forgotten = until_answered(
        context.runtime.limits,
        lambda: work.forget_attempts(chunk.job_id, chunk.number, holder=holder, attempts=0),
    )
    return _Retry() if is_forgotten else bare


def _go_on(runtime: Runtime, job: Job, left: int) -> _Verdict:
    """Send what comes after a chunk: the next ones, or the finish."""
    if left > 0:
        numbers = runtime.store.work.next_chunks(job.id, runtime.limits.window)
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


def _fail(runtime: Runtime, job_id: str, holding: Holding, error: ErrorSummary) -> None:
    """End a job in ERROR, unless another worker has claimed its step meanwhile."""
    work, extra = runtime.store.work, {"job_id": job_id}
    step, holder = holding.step or "", holding.holder
    if until_answered(
        runtime.limits, lambda: work.fail_step(job_id, step, holder=holder, error=error)
    ):
        _log.info("job %s: %s", Phase.ERROR, error.message, extra=extra)
    else:
        _log.info("%s failed too late to count: %s", step, error.message, extra=extra)


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
