"""The plan of a job as a whole, kept as JSON with the job's files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soda_service.request.values import CutoutRequest
from soda_service.results.tree import plan_summary_key
from uws.files import JobFiles

__all__ = ["JobPlan", "read_plan"]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """The facts of a plan apart from its rows."""

    request: CutoutRequest
    extra_columns: tuple[str, ...]
    """The user's own columns of the positions table, in its order."""

    is_table: bool
    """Whether the rows are those of a table."""

    query_time_s: float = 0.0
    """Time that matching positions to tiles took."""

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain JSON."""
        return {
            "request": self.request.to_json(),
            "extra_columns": self.extra_columns,
            "is_table": self.is_table,
            "query_time_s": self.query_time_s,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "JobPlan":
        """Read what `to_json` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            When another version of the service wrote it.
        """
        return cls(
            CutoutRequest.from_json(content["request"]),
            tuple(content["extra_columns"]),
            content["is_table"],
            content["query_time_s"],
        )

    def write(self, files: JobFiles, job_id: str) -> None:
        """Write the plan to the files of its job."""
        files.write(plan_summary_key(job_id), json.dumps(self.to_json()).encode())


def read_plan(files: JobFiles, job_id: str) -> dict[str, Any]:
    """Read the JSON of a plan, written by this version of the service or another.

    Raises
    ------
    FileNotFoundError
        When the job is not planned yet.
    """
    with files.open(plan_summary_key(job_id)) as stream:
        content: dict[str, Any] = json.load(stream)
    return content
