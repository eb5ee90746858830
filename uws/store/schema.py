"""The tables of the job store, and how their rows become values.

Times are `timestamptz` on PostgreSQL and UTC text of fixed width on SQLite: both sort, keep
microseconds, and come back aware.
"""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.engine import Dialect, RowMapping
from typing_extensions import override

from uws.models import (
    Chunk,
    ChunkReport,
    ChunkState,
    ErrorKind,
    ErrorSummary,
    Job,
    Parameter,
    Phase,
    Progress,
    Result,
)

__all__ = [
    "METADATA",
    "UtcTime",
    "chunk_from_row",
    "chunks",
    "format_json",
    "job_from_row",
    "job_to_row",
    "jobs",
    "links",
    "messages",
    "parameter_from_row",
    "parameter_to_row",
    "parameters",
    "report_from_row",
    "result_from_row",
    "result_to_row",
    "results",
    "steps",
    "tombstones",
]

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcTime(sa.TypeDecorator[datetime]):
    """An instant: takes aware datetimes, gives them back aware in UTC, to the microsecond."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the job store takes aware times only")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _of_job() -> Column[str]:
    return Column("job_id", Text, ForeignKey("uws_jobs.id", ondelete="CASCADE"), primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _count(name: str) -> Column[int]:
    return Column(name, sa.BigInteger, nullable=False, server_default="0")


jobs = Table(
    "uws_jobs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("job_type", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("creation_time", UtcTime, nullable=False),
    Column("destruction", UtcTime, nullable=False),
    Column("execution_duration_s", Integer, nullable=False),
    _text("run_id"),
    _text("url"),
    Column("start_time", UtcTime),
    Column("end_time", UtcTime),
    Column("quote", UtcTime),
    Column("error_message", Text),
    Column("error_kind", Text),
    _text("error_detail"),
    Column("notes", Text, nullable=False, server_default="[]"),
    # Sums over the plan and the reports so far, kept here so that neither a poll nor a report
    # walks over the chunks of its job (1 ms each at 10^4 chunks).
    Column("chunk_count", Integer),
    Column("chunks_left", Integer, nullable=False, server_default="0"),
    _count("items_total"),
    _count("items_done"),
    _count("items_failed"),
    _count("items_by_plan"),
    _count("size_bytes"),
    # A list of jobs is read backwards along the first, or of one phase along the second, which
    # counts an owner's jobs too; the third finds the jobs at work, and those completed last; the
    # fourth those to be destroyed.
    Index(None, "owner", "creation_time", "id", "phase"),
    Index(None, "owner", "phase", "creation_time", "id"),
    Index(None, "phase", "end_time"),
    Index(None, "destruction"),
)

parameters = Table(
    "uws_parameters",
    METADATA,
    _of_job(),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("by_reference", sa.Boolean, nullable=False),
    Column("media_type", Text, nullable=False),
)

results = Table(
    "uws_results",
    METADATA,
    _of_job(),
    Column("position", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size_bytes", sa.BigInteger),
    sa.UniqueConstraint("job_id", "id", name="uq_uws_results_job_id_id"),
)

steps = Table(
    "uws_steps",
    METADATA,
    _of_job(),
    Column("step", Text, primary_key=True),
    Column("holder", Text),
    Column("lease_until", UtcTime),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("sent_time", UtcTime),
    Column("begun_time", UtcTime),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("retry_time", UtcTime),
)
"""The steps `plan` and `finish` of each job: who works on them, since when, how often tried.

`tries` counts how often a step was claimed, `failures` how often it was released because something
was unavailable. It is not claimed again before `retry_time`, which is set only by a release.
"""

chunks = Table(
    "uws_chunks",
    METADATA,
    _of_job(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("resets", Integer, nullable=False, server_default="0"),
    Column("holder", Text),
    Column("lease_until", UtcTime),
    Column("sent_time", UtcTime),
    Column("report_done", Integer),
    Column("report_failed", Integer),
    Column("report_bytes", sa.BigInteger),
    Column("report_detail", Text),
    # As for steps; both counts restart when an item of the chunk is finished.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("retry_time", UtcTime),
    # The first finds a job's next chunks and counts those in flight, the second the lost ones.
    Index(None, "job_id", "state", "number"),
    Index(None, "state", "sent_time"),
)

tombstones = Table(
    "uws_remains",
    METADATA,
    Column("job_id", Text, primary_key=True),
    Column("deleted_time", UtcTime, nullable=False),
)
"""Jobs deleted recently: a sweep removes their files once more."""

links = Table(
    "uws_links",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("job_id", Text, ForeignKey("uws_jobs.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_time", UtcTime, nullable=False),
    Column("about", UtcTime),
    Column("used_time", UtcTime),
    sa.UniqueConstraint("digest", name="uq_uws_links_digest"),
    Index(None, "job_id"),
)
"""Links to jobs, by the SHA-256 of their token: a reader of the database can open none of them.
`about` is the destruction time that a link of purpose `extend` puts off, `used_time` when it did.
"""

messages = Table(
    "uws_messages",
    METADATA,
    _of_job(),
    Column("kind", Text, primary_key=True),
    Column("about", UtcTime, primary_key=True),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("created_time", UtcTime, nullable=False),
    Column("due_time", UtcTime, nullable=False),
    Index(None, "state", "kind", "due_time"),
)
"""Messages, delivered or not. `state` is `waiting` until it is `sent`, `dropped` because it was no
longer true, or `given up`. Nobody claims a message before its `due_time`."""


def format_json(value: object) -> str:
    """Write a value as compact JSON text; mappings and tuples included."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=dict)


def job_to_row(job: Job) -> dict[str, Any]:
    """Return the row of a new job; its parameters and results are rows of their own."""
    error = job.error
    return {
        "id": job.id,
        "job_type": job.job_type,
        "owner": job.owner,
        "phase": job.phase.value,
        "creation_time": job.creation_time,
        "destruction": job.destruction,
        "execution_duration_s": job.execution_duration_s,
        "run_id": job.run_id,
        "url": job.url,
        "start_time": job.start_time,
        "end_time": job.end_time,
        "quote": job.quote,
        "error_message": error.message if error else None,
        "error_kind": error.kind.value if error else None,
        "error_detail": error.detail if error else "",
        "notes": format_json(job.notes),
    }


def job_from_row(
    row: RowMapping,
    *,
    parameters: tuple[Parameter, ...] = (),
    results: tuple[Result, ...] = (),
) -> Job:
    """Make a job of its row and its values."""
    error = None
    if row["error_message"] is not None:
        kind = ErrorKind(row["error_kind"])
        error = ErrorSummary(row["error_message"], kind, row["error_detail"])
    return Job(
        id=row["id"],
        job_type=row["job_type"],
        owner=row["owner"],
        phase=Phase(row["phase"]),
        creation_time=row["creation_time"],
        destruction=row["destruction"],
        execution_duration_s=row["execution_duration_s"],
        run_id=row["run_id"],
        url=row["url"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        quote=row["quote"],
        error=error,
        parameters=parameters,
        results=results,
        progress=Progress(
            total=row["items_total"],
            done=row["items_done"],
            failed=row["items_failed"],
            size_bytes=row["size_bytes"],
            by_plan=row["items_by_plan"],
        ),
        chunk_count=row["chunk_count"],
        notes=tuple(json.loads(row["notes"])),
    )


def parameter_to_row(job_id: str, position: int, parameter: Parameter) -> dict[str, Any]:
    """Return the row of a job's parameter."""
    return {
        "job_id": job_id,
        "position": position,
        "name": parameter.name,
        "value": parameter.value,
        "by_reference": parameter.by_reference,
        "media_type": parameter.media_type,
    }


def parameter_from_row(row: RowMapping) -> Parameter:
    """Make a parameter of its row."""
    return Parameter(row["name"], row["value"], row["by_reference"], row["media_type"])


def result_to_row(job_id: str, position: int, result: Result) -> dict[str, Any]:
    """Return the row of a job's result."""
    return {
        "job_id": job_id,
        "position": position,
        "id": result.id,
        "key": result.key,
        "media_type": result.media_type,
        "size_bytes": result.size_bytes,
    }


def result_from_row(row: RowMapping) -> Result:
    """Make a result of its row."""
    return Result(row["id"], row["key"], row["media_type"], row["size_bytes"])


def chunk_from_row(row: RowMapping) -> Chunk:
    """Make a chunk of its row."""
    return Chunk(
        job_id=row["job_id"],
        number=row["number"],
        spec=json.loads(row["spec"]),
        total=row["total"],
        state=ChunkState(row["state"]),
        attempts=row["attempts"],
        failures=row["failures"],
        report=report_from_row(row) if row["report_done"] is not None else None,
    )


def report_from_row(row: RowMapping) -> ChunkReport:
    """Make a chunk's report of the chunk's row."""
    return ChunkReport(
        done=row["report_done"],
        failed=row["report_failed"],
        size_bytes=row["report_bytes"],
        detail=json.loads(row["report_detail"]),
    )
