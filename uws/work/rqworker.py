"""The process that does the tasks: RQ's forking worker, for this server's tasks only.

It outlives its queue: it registers again when Redis has lost its data, and waits while the server
is unavailable.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry
from rq import Queue, Worker
from rq.command import parse_payload
from rq.exceptions import DeserializationError, InvalidJobOperation
from rq.job import Job as Task
from rq.serializers import JSONSerializer
from typing_extensions import override

from uws.lease_owner import holder_of, is_same_process, kill_process
from uws.runtime import Runtime
from uws.store.warmup import warm_up
from uws.work.execution import (
    STOP_COMMAND,
    TASK_FUNCTIONS,
    is_of_job,
    set_runtime,
    the_runtime,
    transient_queue_errors,
)

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.registry import StartedJobRegistry

__all__ = ["run_worker"]

_log = logging.getLogger(__name__)

_WORKER_TTL_S = 30
"""Of RQ: a worker without work shows each 15 s (this less 15) that it is alive, and waits 25 s
for an answer; one that was killed counts for a minute more than this. By default it is 420."""

_LONGEST_PAUSE_S = 2.0
_PAUSES = 16


def _patience() -> Retry:
    """Make what waits for a server that is started again, half a minute in all.

    In no case for one that has a connection open and is silent: that took its time already.
    """
    backoff = ExponentialBackoff(cap=_LONGEST_PAUSE_S, base=0.05)
    return Retry(backoff, _PAUSES, supported_errors=(redis.ConnectionError,))


class _OwnTask(Task):
    """A task limited to what this server asks for: nothing else that Redis names is called."""

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

    RQ calls every function that is named in Redis: this worker refuses all but its own tasks, so
    that write access to Redis does not mean running any code. Work-horses open their own SQL
    connections.
    """

    max_connection_wait_time = _LONGEST_PAUSE_S

    @override
    def execute_job(self, job: Task, queue: Queue) -> None:
        function = _function_of(job)
        if function in TASK_FUNCTIONS:
            super().execute_job(job, queue)
            return
        _log.error("task %s refused: it calls %r, which is none of this server's", job.id, function)
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(queue.intermediate_queue_key, 0, job.id)
            pipeline.delete(job.key)
            pipeline.execute()

    @override
    def main_work_horse(self, job: Task, queue: Queue) -> None:
        the_runtime().store.dispose()
        super().main_work_horse(job, queue)

    @override
    def handle_payload(self, message: Any) -> None:  # Any: of redis, which types no messages
        """Execute commands to this worker; RQ's threads stay free of the task's own lock."""
        command = parse_payload(message)
        if command.get("command") == STOP_COMMAND:
            self._stop_task(command)
        else:
            super().handle_payload(message)  # type: ignore[no-untyped-call]  # as above

    def _stop_task(self, command: Mapping[str, str]) -> None:
        """Kill the task of this worker, if it is meant."""
        pid, task_id = self.horse_pid, self.get_current_job_id()
        if not pid or task_id is None:
            return
        if "job_id" in command:
            is_meant = is_of_job(task_id, command["job_id"])
        else:
            is_meant = is_same_process(holder_of(pid, is_task=True), command.get("holder", ""))
        if is_meant:
            _log.info("task %s is stopped", task_id)
            self._stopped_job_id = task_id
            kill_process(pid)

    @override
    def heartbeat(self, timeout: int | None = None, pipeline: "Pipeline | None" = None) -> None:
        """Send a heartbeat; `pipeline` is given while a task runs."""
        if pipeline is None:
            self._register_if_forgotten()
        super().heartbeat(timeout, pipeline)

    @override
    def maintain_heartbeats(self, job: Task, execution: "Execution") -> None:
        """Send heartbeats while a task runs; a task goes on while the queue is unavailable."""
        try:
            super().maintain_heartbeats(job, execution)
            self._register_if_forgotten()
        except redis.RedisError as error:
            _log.warning("the work queue is unavailable, %s continues: %s", job.id, error)

    @override
    def handle_job_failure(
        self,
        job: Task,
        queue: Queue,
        started_job_registry: "StartedJobRegistry | None" = None,
        exc_string: str = "",
        execution: "Execution | None" = None,
    ) -> None:
        """Delete a task that failed or was stopped: the store and the log have all that matters."""
        super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)
        if self.connection.lpos(queue.key, job.id) is None:  # not sent again meanwhile
            with suppress(InvalidJobOperation):  # cancelled, and so forgotten, at the same time
                job.delete(remove_from_queue=False)

    @override
    def handle_job_success(
        self,
        job: Task,
        queue: Queue,
        started_job_registry: "StartedJobRegistry",
        execution: "Execution",
    ) -> None:
        """Clean up after a finished task, unless the queue was flushed while it ran."""
        try:
            super().handle_job_success(job, queue, started_job_registry, execution)
        except InvalidJobOperation:
            self.connection.delete(job.key)  # what its last heartbeat left there makes no task

    @override
    def monitor_work_horse(self, job: Task, queue: Queue, execution: "Execution") -> None:
        """Wait for a task to end; also forget one that was taken from the queue meanwhile."""
        super().monitor_work_horse(job, queue, execution)
        if not self.connection.exists(job.key):
            with self.connection.pipeline() as pipeline:
                self.cleanup_execution(job, pipeline, execution)
                pipeline.execute()

    def _register_if_forgotten(self) -> None:
        """Register in a queue that was flushed, or started again without its data."""
        if not self.connection.sismember(self.redis_workers_keys, self.key):
            self.connection.delete(self.key)  # what a heartbeat left there makes no worker
            self.register_birth()  # type: ignore[no-untyped-call]  # RQ types some methods


def _function_of(task: Task) -> str | None:
    try:
        return task.func_name
    except DeserializationError:
        return None


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
        When the job store or Redis cannot be reached at the start, or Redis not for half a
        minute.
    """
    set_runtime(runtime)
    # Once, before the forks: it saves each task 10 ms.
    warm_up(runtime.store)
    runtime.store.close()
    with transient_queue_errors():
        connection = redis.Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0))
        connection.ping()  # report a wrong address immediately
        connection.set_retry(_patience())
        queue = Queue(queue_name, connection=connection, serializer=JSONSerializer)
        worker = _ForkingWorker(
            [queue],
            connection=connection,
            serializer=JSONSerializer,
            job_class=_OwnTask,
            name=name,
            worker_ttl=_WORKER_TTL_S,
        )
        # RQ logs two lines a task at INFO; the steps log what happened.
        worker.work(burst=burst, logging_level="WARNING")
