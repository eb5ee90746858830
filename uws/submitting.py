"""A new job from a request: its fields read as they arrive, then created.

Imports service, intake, formdata, reading and models.
"""

from flask import Request

from uws.errors import UsageError
from uws.formdata import form_fields
from uws.intake import Intake
from uws.models import Job
from uws.reading import Submission, read_submission, shown
from uws.service import JobService

__all__ = ["create_submitted", "read_new"]


def read_new(service: JobService, request: Request, job_id: str) -> Submission:
    """Read the fields of a new job; where they are refused, its files are removed again.

    Neither `request.form` nor `request.files` may have been touched.
    """
    runtime = service.runtime
    try:
        intake = Intake(runtime.limits.inline_value_max, runtime.files, job_id=job_id)
        intake.take(form_fields(request))
        submission = read_submission(intake.parameters)
        _refuse_other_phase(submission.phase)
    except BaseException:
        runtime.files.delete(job_id)
        raise
    return submission


def create_submitted(
    service: JobService,
    owner: str,
    submission: Submission,
    *,
    job_type: str,
    job_id: str,
    job_url: str,
) -> Job:
    """Create the job of what was read, started if PHASE=RUN is among it (UWS-38..40)."""
    return service.create(
        owner,
        submission.parameters,
        job_type=job_type,
        job_id=job_id,
        run=submission.phase == "RUN",
        run_id=submission.run_id or "",
        destruction=submission.destruction,
        execution_duration_s=submission.execution_duration_s,
        url=job_url,
    )


def _refuse_other_phase(phase: str | None) -> None:
    if phase not in (None, "RUN"):
        raise UsageError(f"PHASE: {shown(phase)} cannot be asked for, a new job takes RUN only")
