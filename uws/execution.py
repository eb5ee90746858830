"""Where a job's steps are done: in the calling thread, or by RQ workers on any host.

The one door to RQ. A task is named `{job}-plan`, `{job}-chunk-0007` or `{job}-finish` and holds
ids only, as JSON; RQ's results are switched off and its failures are text, so nothing is ever
pickled. Imports steps, runtime, errors, rq and redis.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, Worker
from rq.command import send_stop_job_command
from rq.exceptions import DeserializationError, InvalidJobOperation, NoSuchJobError
from rq.job import Job as Task
from rq.serializers import JSONSerializer
from typing_extensions import override

from uws.errors import NotFoundError, TransientError
from uws.files import JobFiles
from uws.jobtype import JobType, Outcome, Plan
from uws.models import ChunkReport, Phase
from uws.runtime import Executor, JobLimits, Runtime
from uws.steps import finish_job, plan_job, run_chunk
from uws.store import JobStore

__all__ = [
    "InlineExecutor",
    "RQExecutor",
    "run_worker",
    "set_runtime",
    "task_chunk",
    "task_finish",
    "task_plan",
]

_log = logging.getLogger(__name__)

_Step = Callable[[], bool]

_PLAN, _CHUNK, _FINISH = (f"uws.execution.task_{step}" for step in ("plan", "chunk", "finish"))
"""The functions below that are called by name; a worker calls no others."""

_FAILURE_TTL_S = 600
"""How long RQ keeps a task that failed, for operators; the job store knows all that matters."""

_NO_TIMEOUT = -1
"""The sweep ends a job that is overdue. RQ would raise an exception in the midst of its work, as
if by a bug of the job type."""

_TIMEOUT_S = 2.0
"""For a connection to the queue, and for each answer: a request waits for it."""

_CONNECTIONS = 32
"""To the queue, for each process; the threads of a web process share them and wait their turn."""


class InlineExecutor(Executor):
    """Does every step in the thread that sends it: for synchronous requests and tests.

    What a step sends is done after it, not inside it, so that the stack does not grow with the
    job. A step that failed for the moment is tried again at once.

    Parameters
    ----------
    store, files, job_types, limits
        Parts of the runtime, which is made here because it holds this executor.
    """

    def __init__(
        self,
        store: JobStore,
        files: JobFiles,
        *,
        job_types: Mapping[str, JobType],
        limits: JobLimits | None = None,
    ) -> None:
        self.runtime = Runtime(store, files, job_types, self, limits or JobLimits())
        self._of_thread = threading.local()

    @override
    def send_plan(self, job_id: str) -> None:
        self._do(lambda: plan_job(self.runtime, job_id))

    @override
    def send_chunks(self, job_id: str, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._do_chunk(job_id, number)

    def _do_chunk(self, job_id: str, number: int) -> None:
        self._do(lambda: run_chunk(self.runtime, job_id, number))

    @override
    def send_finish(self, job_id: str) -> None:
        self._do(lambda: finish_job(self.runtime, job_id))

    @override
    def cancel(self, job_id: str) -> None:
        """Do nothing: the store refuses what is still to come of an ended job."""

    def _do(self, step: _Step) -> None:
        waiting: deque[_Step] | None = getattr(self._of_thread, "waiting", None)
        if waiting is not None:
            waiting.append(step)
            return
        waiting = self._of_thread.waiting = deque([step])
        try:
            while waiting:
                step = waiting.popleft()
                if not step():
                    waiting.append(step)
        finally:
            del self._of_thread.waiting


@dataclass(frozen=True, slots=True)
class _TaskCall:
    """A task to be sent: its id, the function by its import path, the arguments."""

    id: str
    function: str
    arguments: tuple[str | int, ...]


class RQExecutor(Executor):
    """Sends steps to RQ workers by a queue in Redis.

    Parameters
    ----------
    redis_url
        `redis://`, `rediss://` or `unix://`; nothing is connected before it is needed.
    queue_name
        The queue that the workers listen on.
    """

    def __init__(self, redis_url: str, queue_name: str) -> None:
        pool = redis.BlockingConnectionPool.from_url(
            redis_url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = redis.Redis.from_pool(pool)
        self._queue = Queue(queue_name, connection=self._redis, serializer=JSONSerializer)

    @override
    def send_plan(self, job_id: str) -> None:
        self._send(_TaskCall(f"{job_id}-plan", _PLAN, (job_id,)))

    @override
    def send_chunks(self, job_id: str, numbers: Sequence[int]) -> None:
        self._send(
            *(
                _TaskCall(f"{job_id}-chunk-{number:04d}", _CHUNK, (job_id, number))
                for number in numbers
            )
        )

    @override
    def send_finish(self, job_id: str) -> None:
        self._send(_TaskCall(f"{job_id}-finish", _FINISH, (job_id,)))

    def _send(self, *calls: _TaskCall) -> None:
        """Put tasks into the queue, except those that wait there already."""
        with _away_is_transient(), self._redis.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.lpos(self._queue.key, call.id)
            places = pipeline.execute()
            for call, place in zip(calls, places, strict=True):
                if place is not None:
                    continue
                self._queue.enqueue_call(
                    call.function,
                    args=call.arguments,
                    job_id=call.id,
                    description=call.id,
                    timeout=_NO_TIMEOUT,
                    result_ttl=0,
                    failure_ttl=_FAILURE_TTL_S,
                    pipeline=pipeline,
                )
            pipeline.execute()

    @override
    def cancel(self, job_id: str) -> None:
        """Take the job's tasks from the queue and stop those that run.

        Only a window of a job's chunks is in the queue at a time, so one look over the queue
        costs less than asking for each chunk.
        """
        with _away_is_transient():
            queued = [task for task in self._queue.get_job_ids() if _is_of_job(task, job_id)]
            with self._redis.pipeline() as pipeline:
                for task in queued:
                    pipeline.lrem(self._queue.key, 0, task)
                    pipeline.delete(Task.key_for(task))
                pipeline.execute()
            for task in self._queue.started_job_registry.get_job_ids(cleanup=False):
                if _is_of_job(task, job_id):
                    with suppress(NoSuchJobError, InvalidJobOperation):
                        send_stop_job_command(self._redis, task, serializer=JSONSerializer)

    @override
    def epoch(self) -> str:
        with _away_is_transient():
            return str(self._redis.info("server")["run_id"])

    def status(self) -> dict[str, int]:
        """Count the workers alive, the tasks that wait and those that run."""
        with _away_is_transient():
            keys = Worker.all_keys(queue=self._queue)
            return {
                "workers": self._redis.exists(*keys) if keys else 0,
                "waiting": self._queue.count,
                "running": self._queue.started_job_registry.get_job_count(cleanup=False),
            }


def _is_of_job(task_id: str, job_id: str) -> bool:
    return task_id.startswith((f"{job_id}-chunk-", f"{job_id}-plan", f"{job_id}-finish"))


@contextmanager
def _away_is_transient() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise TransientError(f"the work queue cannot be reached: {error}") from error


# The one global of the package: RQ calls tasks by name, in processes forked after it was set.
_runtime: list[Runtime] = []


def set_runtime(runtime: Runtime) -> None:
    """Say over which runtime the tasks of this process, and of its forks, work."""
    _runtime[:] = [runtime]


def task_plan(job_id: str) -> None:
    """Plan a job, as an RQ task."""
    _do_task(plan_job, job_id)


def task_chunk(job_id: str, number: int) -> None:
    """Work on a chunk, as an RQ task."""
    _do_task(run_chunk, job_id, number)


def task_finish(job_id: str) -> None:
    """Finish a job, as an RQ task."""
    _do_task(finish_job, job_id)


def _do_task(step: Callable[..., bool], job_id: str, *arguments: int) -> None:
    """Do a step; what it leaves undone is found by the sweep."""
    try:
        step(_runtime[0], job_id, *arguments)
    except TransientError as error:
        _log.warning("task left to the sweep: %s", error, extra={"job_id": job_id})


class _OwnTask(Task):
    """A task with nothing that this server never asks for: whatever Redis says is not called."""

    @override
    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        super().restore(
            {
                name: value
                for name, value in raw_data.items()
                if not name.endswith(b"_callback_name") and name != b"webhooks"
            }
        )


class _ForkingWorker(Worker):
    """RQ's forking worker; it does this server's tasks only.

    RQ calls every function that is named in Redis. Whoever can write there shall not run what he
    likes. Work-horses open SQL connections of their own.
    """

    @override
    def execute_job(self, job: Task, queue: Queue) -> None:
        function = _function_of(job)
        if function in {_PLAN, _CHUNK, _FINISH}:
            super().execute_job(job, queue)
            return
        _log.error("task %s refused: it calls %r, which is none of this server's", job.id, function)
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(queue.intermediate_queue_key, 0, job.id)
            pipeline.delete(job.key)
            pipeline.execute()

    @override
    def main_work_horse(self, job: Task, queue: Queue) -> None:
        _runtime[0].store.dispose()
        super().main_work_horse(job, queue)


def _function_of(task: Task) -> str | None:
    try:
        return task.func_name
    except DeserializationError:
        return None


def _warm_up(store: JobStore) -> None:
    """Compile the statements that every fork will use, by asking about a job that is not there.

    Nothing is changed and no connection stays open. It saves each task 4 ms, of the 24 ms that
    a chunk without work took from fork to end.
    """
    nobody = ""
    with suppress(NotFoundError):
        store.get(nobody)
    for step in ("plan", "finish"):
        store.lease_step(nobody, step, holder=nobody, lease_s=0)
    store.save_plan(nobody, Plan(()))
    store.next_chunks(nobody, 1)
    store.claim_chunk(nobody, 0, holder=nobody, lease_s=0)
    store.report_chunk(nobody, 0, ChunkReport(0), holder=nobody)
    store.reports(nobody)
    store.move(nobody, Phase.EXECUTING, among={Phase.QUEUED})
    store.complete(nobody, Outcome())
    store.close()


def run_worker(
    runtime: Runtime,
    *,
    redis_url: str,
    queue_name: str,
    burst: bool = False,
    name: str | None = None,
) -> None:
    """Work on tasks until a signal ends it: SIGTERM after the present task, twice at once.

    Parameters
    ----------
    runtime
        What the tasks work over; heavy imports should be done before, once for all forks.
    redis_url, queue_name
        As for `RQExecutor`.
    burst
        End when the queue is empty.
    name
        Name of the worker, unique; made up by default.

    Raises
    ------
    TransientError
        When the job store or Redis cannot be reached at the start.
    """
    set_runtime(runtime)
    _warm_up(runtime.store)
    with _away_is_transient():
        connection = redis.Redis.from_url(redis_url)
        queue = Queue(queue_name, connection=connection, serializer=JSONSerializer)
        worker = _ForkingWorker(
            [queue],
            connection=connection,
            serializer=JSONSerializer,
            job_class=_OwnTask,
            name=name,
        )
        # RQ tells two lines a task at INFO; the steps tell what happened.
        worker.work(burst=burst, logging_level="WARNING")
