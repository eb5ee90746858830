"""A job type for tests: it writes a word into small files, and fails where it is told to.

Parameters: `WORD` (letters, required), `TIMES` (items, 1 to 1000), `CHUNKS`, `SLEEP` (seconds
per item) and `FAIL`, one of

- `usage`, `plan`, `finish`: planning or finishing fails by the user's or by our fault;
- `transient`, `transient-plan`, `transient-finish`: chunk 0, the plan or the finish finds
  something away, always;
- `chunk`, `kill`: chunk 0 raises, or kills its process, always;
- `hang`, `idle`: chunk 0 never ends, with the interpreter's lock held, or without;
- `hang-plan`, `idle-plan`, `hang-finish`, `idle-finish`: the plan or the finish never ends;
- `chunk-once`, `transient-once`, `kill-once`, ...: chunk 0, but only at the first try.
"""

import ctypes
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from typing_extensions import override

from uws.errors import TransientError, UsageError
from uws.files import JobFiles
from uws.jobtype import ChunkPlan, JobContext, JobType, Outcome, Plan
from uws.localfiles import LocalFiles
from uws.models import Chunk, ChunkReport, Job, Parameter, Phase, Result
from uws.runtime import Executor, JobLimits, Runtime
from uws.store import open_store
from uws.work.execution import InlineExecutor

__all__ = [
    "LIMITS",
    "Recorder",
    "ToyJob",
    "new_toy",
    "queue_toy",
    "run_toy",
    "set_type",
    "toy_parameters",
    "toy_runtime",
]

LIMITS = JobLimits(window=2, tries=3, lease_s=30)

_NAMES = ("WORD", "TIMES", "CHUNKS", "FAIL", "SLEEP")
_CHUNK_FAILURES = ("transient", "chunk", "kill", "hang", "idle")
_FAILURES = {
    *("usage", "plan", "finish", "transient-plan", "transient-finish"),
    *("hang-plan", "idle-plan", "hang-finish", "idle-finish"),
    *_CHUNK_FAILURES,
    *(f"{failure}-once" for failure in _CHUNK_FAILURES),
}


class ToyJob(JobType):
    """Writes `WORD` into `TIMES` files, in `CHUNKS` chunks."""

    name = "toy"

    @override
    def check(self, parameters: Sequence[Parameter], files: JobFiles) -> tuple[str, ...]:
        faults = [
            f"unknown parameter {parameter.name}; allowed are {', '.join(_NAMES)}"
            for parameter in parameters
            if parameter.name not in _NAMES
        ]
        values = _values(parameters)
        if len(values) < len(parameters) - len(faults):
            faults.append("a parameter is repeated")
        if "WORD" not in values:
            faults.append("WORD is missing")
        elif not values["WORD"].isalpha():
            faults.append(f"WORD: found {values['WORD']!r}, allowed are letters")
        for name in ("TIMES", "CHUNKS"):
            text = values.get(name, "1")
            if not (text.isdecimal() and 1 <= int(text) <= 1000):
                faults.append(f"{name}: found {text!r}, allowed is 1 to 1000")
        if values.get("FAIL", "plan") not in _FAILURES:
            faults.append(f"FAIL: found {values['FAIL']!r}")
        if faults:
            raise UsageError("; ".join(faults))
        return ("the word is long",) if len(values["WORD"]) > 20 else ()

    @override
    def plan(self, context: JobContext) -> Plan:
        notes = self.check(context.job.parameters, context.files)
        values = _values(context.job.parameters)
        match values.get("FAIL"):
            case "usage":
                raise UsageError("FAIL: found 'usage', allowed is anything else")
            case "plan":
                raise RuntimeError("the plan fails")
            case "transient-plan":
                raise TransientError("the plan's source is away")
            case "hang-plan" | "idle-plan" as failure:
                _hang(failure)
            case _:
                pass
        items = list(range(int(values.get("TIMES", "1"))))
        count = min(int(values.get("CHUNKS", "1")), len(items))
        parts = [items[number::count] for number in range(count)]
        return Plan(tuple(ChunkPlan({"items": part}, len(part)) for part in parts), notes=notes)

    @override
    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        values = _values(context.job.parameters)
        if chunk.number == 0:
            _fail_chunk(values.get("FAIL", ""), chunk.attempts)
        size_bytes = 0
        for item in chunk.spec["items"]:
            context.heartbeat()
            time.sleep(float(values.get("SLEEP", "0")))
            text = f"{values['WORD']} {item}\n".encode()
            context.files.write(f"{context.job.id}/{_item_name(item)}", text)
            size_bytes += len(text)
        return ChunkReport(done=chunk.total, size_bytes=size_bytes)

    @override
    def give_up_chunk(
        self, context: JobContext, chunk: Chunk, reason: str, *, is_whole: bool
    ) -> ChunkReport | None:
        return ChunkReport(done=0, failed=chunk.total, detail={"reason": reason})

    @override
    def finish(self, context: JobContext, reports: Sequence[ChunkReport]) -> Outcome:
        match _values(context.job.parameters).get("FAIL"):
            case "finish":
                raise RuntimeError("the finish fails")
            case "transient-finish":
                raise TransientError("the finish's target is away")
            case "hang-finish" | "idle-finish" as failure:
                _hang(failure)
            case _:
                pass
        job_id = context.job.id
        keys = [key for key in context.files.keys(job_id) if "/item-" in key]
        with context.files.writer(f"{job_id}/result.txt") as stream:
            for key in keys:
                with context.files.open(key) as item:
                    stream.write(item.read())
        results = [_result(key.removeprefix(f"{job_id}/"), key, context.files) for key in keys]
        results.append(_result("result", f"{job_id}/result.txt", context.files))
        failed = sum(report.failed for report in reports)
        return Outcome(tuple(results), notes=(f"{failed} items failed",) if failed else ())

    @override
    def partial_results(self, job: Job, files: JobFiles) -> Sequence[Result]:
        keys = [key for key in files.keys(job.id) if "/item-" in key]
        return [_result(key.removeprefix(f"{job.id}/"), key, files) for key in keys]

    @override
    def find_result(self, job: Job, path: str, files: JobFiles) -> Result | None:
        key = f"{job.id}/{path}"
        try:
            return _result(path, key, files)
        except FileNotFoundError:
            return None

    @override
    def stream_result(self, job: Job, result: Result, files: JobFiles) -> Iterator[bytes] | None:
        return None


class Recorder(Executor):
    """Does nothing but note what is sent; the jobs of `away` cannot be sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.away: set[str] = set()

    @override
    def send_plan(self, job_id: str) -> None:
        self._note("plan", job_id)

    @override
    def send_chunks(self, job_id: str, numbers: Sequence[int]) -> None:
        self._note(f"chunks {list(numbers)}", job_id)

    @override
    def send_finish(self, job_id: str) -> None:
        self._note("finish", job_id)

    @override
    def cancel(self, job_id: str) -> None:
        self._note("cancel", job_id)

    def _note(self, what: str, job_id: str) -> None:
        if job_id in self.away:
            raise TransientError("the queue is away")
        self.sent.append(f"{what} {job_id}")


def new_toy(
    job_id: str = "job",
    *,
    owner: str = "",
    created: datetime | None = None,
    execution_duration_s: int = 600,
    **parameters: str,
) -> Job:
    """Make a PENDING job that lives a day: `new_toy("a", WORD="sky", TIMES="3")`."""
    created = created or datetime.now(UTC)
    return Job(
        id=job_id,
        job_type="toy",
        owner=owner,
        phase=Phase.PENDING,
        creation_time=created,
        destruction=created + timedelta(days=1),
        execution_duration_s=execution_duration_s,
        parameters=toy_parameters(**parameters),
    )


def toy_parameters(**values: str) -> tuple[Parameter, ...]:
    """Make parameters of keywords."""
    return tuple(Parameter(name, value) for name, value in values.items())


def toy_runtime(folder: Path, *, limits: JobLimits | None = None) -> Runtime:
    """Make a runtime of toy jobs in a folder, with SQLite, that does every step in its caller."""
    store = open_store(f"sqlite:///{folder / 'jobs.db'}")
    store.migrate()
    files = LocalFiles(folder / "files")
    return InlineExecutor(store, files, job_types={"toy": ToyJob()}, limits=limits).runtime


def set_type(runtime: Runtime, job_type: ToyJob) -> Runtime:
    """Have toy jobs done by another job type, also in the executor's own runtime."""
    assert isinstance(runtime.job_types, dict)
    runtime.job_types["toy"] = job_type
    return runtime


def queue_toy(runtime: Runtime, job_id: str = "job", **parameters: str) -> datetime:
    """Make a job and queue it, but send nothing; returns the time."""
    runtime.store.create(replace(new_toy(job_id), parameters=toy_parameters(**parameters)))
    assert runtime.store.move(job_id, Phase.QUEUED, among={Phase.PENDING})
    return datetime.now(UTC)


def run_toy(runtime: Runtime, **parameters: str) -> Job:
    """Make the job `job` and have it planned."""
    queue_toy(runtime, **parameters)
    runtime.executor.send_plan("job")
    return runtime.store.get("job")


def _values(parameters: Sequence[Parameter]) -> dict[str, str]:
    return {item.name: item.value for item in parameters if item.name in _NAMES}


def _item_name(item: int) -> str:
    return f"item-{item:03d}.txt"


def _result(result_id: str, key: str, files: JobFiles) -> Result:
    return Result(result_id, key, "text/plain", files.stat(key).size_bytes)


def _fail_chunk(failure: str, attempts: int) -> None:
    if failure.endswith("-once") and attempts > 1:
        return
    match failure.removesuffix("-once"):
        case "transient":
            raise TransientError("the item's source is away")
        case "chunk":
            raise RuntimeError("the chunk fails")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang" | "idle" as hang:
            _hang(hang)
        case _:
            pass


def _hang(failure: str) -> None:
    """Wait for ever; a library called as `PyDLL` keeps the interpreter's lock meanwhile."""
    if failure.startswith("hang"):
        ctypes.PyDLL(None).sleep(3600)
    else:
        time.sleep(3600)
