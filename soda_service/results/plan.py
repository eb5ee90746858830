"""What planning found out about a job as a whole, kept as JSON with the job's files."""

import json
from dataclasses import asdict, dataclass

from soda_service.results.tree import plan_summary_key
from uws.files import JobFiles

__all__ = ["JobPlan"]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """The facts of a plan beside its rows."""

    query_time_s: float
    """Time that matching positions to tiles took."""

    planned: str
    """When, ISO 8601 UTC."""

    def write(self, files: JobFiles, job_id: str) -> None:
        """Put the plan with the files of its job."""
        files.write(plan_summary_key(job_id), json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, files: JobFiles, job_id: str) -> "JobPlan":
        """Read the plan of a job.

        Raises
        ------
        FileNotFoundError
            When the job is not planned yet.
        """
        with files.open(plan_summary_key(job_id)) as stream:
            content = json.load(stream)
        return cls(content["query_time_s"], content["planned"])
