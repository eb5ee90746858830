"""Executors of a job's steps: the calling thread, or RQ workers on any host.

Only this module and `rqworker`, the worker's process, use RQ. A task is named `{job}-plan`,
`{job}-chunk-0007` or `{job}-finish` and holds ids only, as JSON; RQ's results are switched off and
its failures are text, so nothing is ever pickled.
"""

import json
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, Worker
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job as Task
from rq.serializers import JSONSerializer
from typing_extensions import override

from uws.errors import TransientError
from uws.files import JobFiles
from uws.jobtype import JobType
from uws.runtime import Executor, JobLimits, Runtime
from uws.store import JobStore
from uws.work.steps import finish_job, plan_job, run_chunk

__all__ = [
    "STOP_COMMAND",
    "TASK_FUNCTIONS",
    "InlineExecutor",
    "RQExecutor",
    "is_of_job",
    "set_runtime",
    "task_chunk",
    "task_finish",
    "task_plan",
    "the_runtime",
    "transient_queue_errors",
]

_log = logging.getLogger(__name__)

_Step = Callable[[], bool]

_PLAN, _CHUNK, _FINISH = (f"uws.work.execution.task_{step}" for step in ("plan", "chunk", "finish"))

TASK_FUNCTIONS = frozenset({_PLAN, _CHUNK, _FINISH})
"""The functions below that are called by name; a worker calls no others."""

STOP_COMMAND = "stop-uws"
"""Command to all workers: kill your task if it belongs to the job `job_id` or to `holder`."""

_FAILURE_TTL_S = 600
"""How long RQ keeps a task that failed, for operators; the job store knows all that matters."""

_NO_TIMEOUT = -1
"""The sweep ends an overdue job. RQ's own time-out would raise an exception in its work, like a bug
of the job type."""

_TIMEOUT_S = 2.0
"""For a connection to the queue, and for each answer: a request waits for it."""

_CONNECTIONS = 32
"""Connections of each process to the queue; the threads of a web process share them."""


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
        # Without a pause between tries, since there is nothing else to do.
        limits = replace(limits or JobLimits(), retry_pause_s=0, retry_for_s=0)
        self.runtime = Runtime(store, files, job_types, self, limits)
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
    is_urgent: bool = False
    """Whether it goes before all waiting tasks."""


class RQExecutor(Executor):
    """Sends steps to RQ workers by a queue in Redis.

    Parameters
    ----------
    redis_url
        `redis://`, `rediss://` or `unix://`; nothing is connected before it is needed.
    queue_name
        The queue that the workers listen on.
    """

    forks = True

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
        # A job whose rows are all cut must not wait for the chunks of others.
        self._send(_TaskCall(f"{job_id}-finish", _FINISH, (job_id,), is_urgent=True))

    def _send(self, *calls: _TaskCall) -> None:
        """Add tasks to the queue, except those that are there already."""
        with transient_queue_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.lpos(self._queue.key, call.id)
                pipeline.exists(Task.key_for(call.id))
            found = pipeline.execute()
            for call, place, is_whole in zip(calls, found[::2], found[1::2], strict=True):
                if place is not None and is_whole:
                    continue
                if place is not None:
                    # An id alone: the task ended after it was sent again, and took all with it.
                    self._redis.lrem(self._queue.key, 0, call.id)
                self._queue.enqueue_call(
                    call.function,
                    args=call.arguments,
                    job_id=call.id,
                    description=call.id,
                    timeout=_NO_TIMEOUT,
                    result_ttl=0,
                    failure_ttl=_FAILURE_TTL_S,
                    at_front=call.is_urgent,
                    pipeline=pipeline,
                )
            pipeline.execute()

    @override
    def cancel(self, job_id: str) -> None:
        """Stop the job's tasks that run, and take the others from the queue.

        All workers are asked: of a task that was sent again while it ran, Redis knows only what
        was sent. Only a window of a job's chunks is in the queue at a time, so one look over the
        queue costs less than asking for each chunk.
        """
        with transient_queue_errors():
            self._tell_workers(job_id=job_id)
            queued = [task for task in self._queue.get_job_ids() if is_of_job(task, job_id)]
            with self._redis.pipeline() as pipeline:
                for task in queued:
                    pipeline.lrem(self._queue.key, 0, task)
                    pipeline.delete(Task.key_for(task))
                pipeline.execute()
            for task in self._queue.started_job_registry.get_job_ids(cleanup=False):
                if is_of_job(task, job_id):
                    with _gone_is_forgotten():
                        self._forget_if_dead(task)
            failed = self._queue.failed_job_registry
            for task in failed.get_job_ids(cleanup=False):
                if is_of_job(task, job_id):
                    with _gone_is_forgotten():
                        self._delete(Task.fetch(task, self._redis, JSONSerializer))
                    self._redis.zrem(failed.key, task)

    @override
    def stop(self, holder: str) -> None:
        with transient_queue_errors():
            self._tell_workers(holder=holder)

    def _tell_workers(self, **whom: str) -> None:
        """Send the stop command to all workers, be they registered or forgotten by the server."""
        command = json.dumps({"command": STOP_COMMAND, **whom})
        channels = self._redis.pubsub_channels(PUBSUB_CHANNEL_TEMPLATE % "*")
        with self._redis.pipeline(transaction=False) as pipeline:
            for channel in channels:
                pipeline.publish(channel, command)
            pipeline.execute()

    def _forget_if_dead(self, task_id: str) -> None:
        """Remove what RQ knows of a task whose worker is dead; others do that themselves."""
        task = Task.fetch(task_id, connection=self._redis, serializer=JSONSerializer)
        [(_, listeners)] = self._redis.pubsub_numsub(PUBSUB_CHANNEL_TEMPLATE % task.worker_name)
        if not listeners:
            self._delete(task)

    def _delete(self, task: Task) -> None:
        """Delete what RQ keeps of a task that nobody runs."""
        try:
            task.delete(remove_from_queue=False)
        except ValueError:
            # RQ reads the records of its executions one by one; one of them expired, or its worker
            # removed it just then.
            registry = self._queue.started_job_registry
            places = cast("list[bytes]", self._redis.zrange(registry.key, 0, -1))
            own = [place for place in places if registry.parse_job_id(place) == task.id]
            with self._redis.pipeline() as pipeline:
                if own:
                    pipeline.zrem(registry.key, *own)
                pipeline.delete(task.key, task.execution_registry.key)
                pipeline.execute()

    @override
    def epoch(self) -> str:
        """Return the server's run id, and a mark that is lost with its data.

        A server that keeps its data on disk may restart with an older state, mark included: then
        the run id differs.
        """
        mark_key = f"{self._queue.name}:epoch"
        with transient_queue_errors(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.info("server")
            pipeline.set(mark_key, secrets.token_hex(8), nx=True)
            pipeline.get(mark_key)
            server, _, mark = pipeline.execute()
        return f"{server['run_id']}/{mark.decode()}"

    def status(self) -> dict[str, int]:
        """Count the workers alive, the tasks that wait and those that run."""
        with transient_queue_errors():
            keys = Worker.all_keys(queue=self._queue)
            return {
                "workers": self._redis.exists(*keys) if keys else 0,
                "waiting": self._queue.count,
                # The task of a killed worker remains until RQ tidies up, but its time has passed.
                "running": self._redis.zcount(
                    self._queue.started_job_registry.key, time.time(), "+inf"
                ),
            }


def is_of_job(task_id: str, job_id: str) -> bool:
    """Check whether a task is one of a job's."""
    return task_id.startswith((f"{job_id}-chunk-", f"{job_id}-plan", f"{job_id}-finish"))


@contextmanager
def _gone_is_forgotten() -> Iterator[None]:
    """Ignore that a task is gone: the worker that was stopped forgets it at the same time."""
    with suppress(NoSuchJobError, InvalidJobOperation):
        yield


@contextmanager
def transient_queue_errors() -> Iterator[None]:
    """Turn the errors of a queue that cannot be reached into `TransientError`."""
    try:
        yield
    except redis.RedisError as error:
        raise TransientError(f"the work queue cannot be reached: {error}") from error


# The one global of the package: RQ calls tasks by name, in processes forked after it was set.
_runtime: list[Runtime] = []


def set_runtime(runtime: Runtime) -> None:
    """Set over which runtime the tasks of this process, and of its forks, work."""
    _runtime[:] = [runtime]


def the_runtime() -> Runtime:
    """Return the runtime that was set."""
    return _runtime[0]


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
    """Do a step; the sweep finds what it leaves undone."""
    try:
        step(the_runtime(), job_id, *arguments)
    except TransientError as error:
        _log.warning("task left to the sweep: %s", error, extra={"job_id": job_id})
