"""A worker and a sweeper in the test's own thread, which are past every lease and pause."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tests.toyjob import Recorder
from uws.models import FINISHED
from uws.runtime import Runtime
from uws.work.steps import finish_job, plan_job, run_chunk
from uws.work.sweep import sweep

__all__ = ["Killed", "work_off", "work_once"]

_LATER = timedelta(minutes=5)


class Killed(BaseException):
    """Stands for a signal that ends the process: nothing catches it but the worker here."""


def work_once(runtime: Runtime) -> None:
    """Sweep, and do all that is sent by then; what is sent meanwhile is left for the next time."""
    recorder = runtime.executor
    assert isinstance(recorder, Recorder)
    sweep(runtime, datetime.now(UTC) + _LATER, is_thorough=False)
    sent, recorder.sent = recorder.sent, []
    for task in sent:
        kind, *numbers, job_id = task.replace("[", "").replace("]", "").replace(",", "").split()
        with suppress(Killed):
            if kind == "plan":
                plan_job(runtime, job_id)
            elif kind == "finish":
                finish_job(runtime, job_id)
            for number in numbers:
                run_chunk(runtime, job_id, int(number))


def work_off(runtime: Runtime, job_id: str) -> None:
    """Work until a job is done."""
    for _ in range(100):
        work_once(runtime)
        if runtime.store.phase(job_id) in FINISHED:
            return
    raise AssertionError(f"the job does not end: {runtime.store.get(job_id)}")
