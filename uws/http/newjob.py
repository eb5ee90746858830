"""A request for a new job: read its fields, sort them, create the job (UWS-38..40).

`POST {jobs}` and pages that send a form of their own use the same steps.
"""

from collections.abc import Iterable, Sequence

from uws.dali import shown
from uws.errors import UsageError
from uws.http.formdata import Field
from uws.http.intake import Intake
from uws.http.reading import Submission, read_submission
from uws.models import Job, Parameter
from uws.service import JobService

__all__ = ["create_new", "read_new", "take_new"]


def take_new(service: JobService, fields: Iterable[Field], job_id: str) -> list[Parameter]:
    """Read the fields of a new job; long ones go into its files.

    Parameters
    ----------
    job_id
        Id made by `new_job_id`. If the fields are refused, its files are removed. A caller that
        makes no job of the fields must remove the files.

    Raises
    ------
    UsageError, TooLargeError
        When the fields cannot be taken in.
    """
    runtime = service.runtime
    intake = Intake(runtime.limits.inline_value_max, runtime.files, job_id=job_id)
    try:
        intake.take(fields)
    except BaseException:
        runtime.files.delete(job_id)
        raise
    return intake.parameters


def read_new(service: JobService, fields: Sequence[Parameter], job_id: str) -> Submission:
    """Sort the fields of a new job; where they are refused, its files are removed.

    Raises
    ------
    UsageError
        When a control parameter is wrong, or PHASE is another than RUN.
    """
    try:
        submission = read_submission(fields)
        _refuse_other_phase(submission.phase)
    except BaseException:
        service.runtime.files.delete(job_id)
        raise
    return submission


def _refuse_other_phase(phase: str | None) -> None:
    if phase not in (None, "RUN"):
        raise UsageError(f"PHASE: {shown(phase)} cannot be asked for, a new job takes RUN only")


def create_new(
    service: JobService, owner: str, submission: Submission, *, job_type: str, job_id: str, url: str
) -> Job:
    """Create the job, and start it if PHASE=RUN was among its fields.

    Raises
    ------
    UsageError, TooManyError
        As for `JobService.create`; neither the job nor its files exist then.
    """
    return service.create(
        owner,
        submission.parameters,
        job_type=job_type,
        job_id=job_id,
        run=submission.phase == "RUN",
        run_id=submission.run_id or "",
        destruction=submission.destruction,
        execution_duration_s=submission.execution_duration_s,
        url=url,
    )
