"""All that stands in the tables of a job store, as plain values, for comparisons."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from tests.contract.store_model import StoreModel
from uws.models import ChunkReport, ChunkState, Job, Phase
from uws.store import JobStore
from uws.store.schema import (
    chunks,
    job_from_row,
    jobs,
    parameter_from_row,
    parameters,
    report_from_row,
    result_from_row,
    results,
    steps,
    tombstones,
)

__all__ = ["StoreRows", "differences", "rows_of", "rows_of_model"]

_WORK = ("holder", "lease_until", "sent_time", "failures", "retry_time")
_STEP = (*_WORK, "tries", "begun_time")
_CHUNK = (*_WORK, "total", "state", "attempts", "resets")


@dataclass(frozen=True, slots=True)
class StoreRows:
    """Everything; a job that is gone must be in none of it but the tombstones."""

    jobs: dict[str, Job]
    left: dict[str, int]
    """Chunks without a report, of each job that is not ARCHIVED."""

    steps: dict[tuple[str, str], dict[str, Any]]  # Any: a row's values
    chunks: dict[tuple[str, int], dict[str, Any]]
    reports: dict[tuple[str, int], ChunkReport]
    tombstones: dict[str, datetime]

    @property
    def job_ids(self) -> set[str]:
        """Of all rows that hang on a job."""
        return {*self.jobs, *(job_id for job_id, _ in (*self.steps, *self.chunks))}


def rows_of(store: JobStore) -> StoreRows:
    """Read all tables, in one transaction."""
    with store._database.reading() as connection:
        job_rows = _all(connection, jobs)
        step_rows = _all(connection, steps)
        chunk_rows = _all(connection, chunks)
        named = _grouped(_all(connection, parameters.select().order_by(parameters.c.position)))
        made = _grouped(_all(connection, results.select().order_by(results.c.position)))
        tombstone_rows = _all(connection, tombstones)
    assert {*named, *made} <= {row["id"] for row in job_rows}
    found = (
        job_from_row(
            row,
            parameters=tuple(map(parameter_from_row, named[row["id"]])),
            results=tuple(map(result_from_row, made[row["id"]])),
        )
        for row in job_rows
    )
    return StoreRows(
        jobs={job.id: job for job in found},
        left={
            row["id"]: row["chunks_left"]
            for row in job_rows
            if row["phase"] != Phase.ARCHIVED.value
        },
        steps={(r["job_id"], r["step"]): {name: r[name] for name in _STEP} for r in step_rows},
        chunks={(r["job_id"], r["number"]): _chunk_values(r) for r in chunk_rows},
        reports={
            (row["job_id"], row["number"]): report_from_row(row)
            for row in chunk_rows
            if row["report_done"] is not None
        },
        tombstones={row["job_id"]: row["deleted_time"] for row in tombstone_rows},
    )


def _all(connection: Connection, what: sa.Table | sa.Select[Any]) -> list[RowMapping]:
    # Any: rows of whatever table
    query = what if isinstance(what, sa.Select) else what.select()
    return list(connection.execute(query).mappings())


def _grouped(rows: Iterable[RowMapping]) -> defaultdict[str, list[RowMapping]]:
    groups: defaultdict[str, list[RowMapping]] = defaultdict(list)
    for row in rows:
        groups[row["job_id"]].append(row)
    return groups


def _chunk_values(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in _CHUNK} | {"state": ChunkState(row["state"])}


def rows_of_model(model: StoreModel) -> StoreRows:
    """Say what the tables are to hold."""
    steps_of = (
        ((job_id, name), step)
        for job_id, job in model.jobs.items()
        for name, step in job.steps.items()
    )
    chunks_of = [
        ((job_id, number), chunk)
        for job_id, job in model.jobs.items()
        for number, chunk in enumerate(job.chunks)
    ]
    return StoreRows(
        jobs={job_id: job.job for job_id, job in model.jobs.items()},
        left={
            job_id: job.left
            for job_id, job in model.jobs.items()
            if job.phase is not Phase.ARCHIVED
        },
        steps={key: {name: getattr(step, name) for name in _STEP} for key, step in steps_of},
        chunks={key: {name: getattr(chunk, name) for name in _CHUNK} for key, chunk in chunks_of},
        reports={key: chunk.report for key, chunk in chunks_of if chunk.report},
        tombstones=dict(model.tombstones),
    )


def differences(found: StoreRows, expected: StoreRows) -> list[str]:
    """Tell where two states differ, a line each."""
    lines: list[str] = []
    for field in fields(StoreRows):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        lines += [
            f"{field.name} {key}: found {ours.get(key)}, expected {theirs.get(key)}"
            for key in {**ours, **theirs}
            if ours.get(key) != theirs.get(key)
        ]
    return lines
