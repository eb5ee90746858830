"""How the content of a result goes to its client. Imports responses, runtime and models."""

from flask import Response

from uws import responses
from uws.models import Job, Phase, Result
from uws.runtime import Runtime

__all__ = ["send_result"]


def send_result(runtime: Runtime, job: Job, result: Result, *, accel_prefix: str = "") -> Response:
    """Send a result: a file, or what the job type makes of it while it is sent.

    Parameters
    ----------
    accel_prefix
        See `responses.send_content`.
    """
    pieces = runtime.job_types[job.job_type].stream_result(job, result, runtime.files)
    if pieces is None:
        return responses.send_content(
            runtime.files, result.key, result.media_type, accel_prefix=accel_prefix
        )
    # Only what is done stays the same: before that a part could be of other content.
    made = job.end_time if job.phase == Phase.COMPLETED else None
    return responses.send_stream(
        pieces, result.media_type, result.size_bytes, name=job.id, made=made
    )
