"""UWS documents as JSON, for programs that prefer it to XML.

The names and their order are those of the XML documents. `null` stands for nil and for what XML
leaves out. Numbers and booleans keep their type, instants are the same text, repeated elements are
lists::

    {"version": "1.1", "jobId": "...", "runId": null, "ownerId": null, "phase": "COMPLETED",
     "quote": null, "creationTime": "2026-01-01T00:00:00Z", "startTime": ..., "endTime": ...,
     "executionDuration": 3600, "destruction": "2026-01-15T00:00:00Z",
     "parameters": [{"id": "WORD", "byReference": false, "value": "sky"}],
     "results": [{"id": "a", "href": "https://...", "mime-type": "text/plain", "size": 3}],
     "errorSummary": {"type": "fatal", "hasDetail": true, "message": "..."} or null,
     "jobInfo": {"total": 1, "done": 1, "failed": 0, "sizeBytes": 3, "ratePerSecond": 0.5,
                 "expectedEnd": null, "notes": []} or null}

    {"version": "1.1", "jobs": [{"id": "...", "href": "https://...", "phase": "QUEUED",
                                 "runId": null, "ownerId": null, "creationTime": "..."}]}

The documents of parameters and of results are the two lists by themselves.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from uws.dali import format_instant
from uws.http.jobinfo import job_info
from uws.http.links import numbered_parameters, parameter_url, result_url
from uws.models import Job

__all__ = ["job_json", "jobs_json", "parameters_json", "results_json"]

_Object = dict[str, Any]  # a JSON object: text, numbers, lists, objects
_PIECE = 32 * 1024  # characters of a job list sent at a time


def job_json(job: Job, job_url: str, *, now: datetime) -> bytes:
    """Write the document of one job; the parameters are those of `xml_documents.job_xml`."""
    return _document(
        {
            "version": "1.1",
            "jobId": job.id,
            "runId": job.run_id or None,
            "ownerId": job.owner or None,
            "phase": job.phase,
            "quote": _instant(job.quote),
            "creationTime": _instant(job.creation_time),
            "startTime": _instant(job.start_time),
            "endTime": _instant(job.end_time),
            "executionDuration": job.execution_duration_s,
            "destruction": _instant(job.destruction),
            "parameters": _parameters(job, job_url),
            "results": _results(job, job_url),
            "errorSummary": _error(job),
            "jobInfo": _info(job, now),
        }
    )


def parameters_json(job: Job, job_url: str) -> bytes:
    """Write the list of a job's parameters."""
    return _document(_parameters(job, job_url))


def results_json(job: Job, job_url: str) -> bytes:
    """Write the list of a job's results."""
    return _document(_results(job, job_url))


def jobs_json(jobs: Iterable[Job], jobs_url: str) -> Iterator[bytes]:
    """Write the job list in pieces; memory does not grow with the number of jobs."""
    piece = '{"version": "1.1", "jobs": ['
    separator = ""
    for job in jobs:
        piece += separator + json.dumps(_reference(job, f"{jobs_url}/{job.id}"))
        separator = ", "
        if len(piece) > _PIECE:
            yield piece.encode()
            piece = ""
    yield f"{piece}]}}".encode()


def _document(value: _Object | list[_Object]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode(errors="replace")


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _reference(job: Job, job_url: str) -> _Object:
    return {
        "id": job.id,
        "href": job_url,
        "phase": job.phase,
        "runId": job.run_id or None,
        "ownerId": job.owner or None,
        "creationTime": format_instant(job.creation_time),
    }


def _parameters(job: Job, job_url: str) -> list[_Object]:
    return [
        {
            "id": parameter.name,
            "byReference": parameter.by_reference,
            "value": parameter_url(job_url, name) if parameter.by_reference else parameter.value,
        }
        for name, parameter in numbered_parameters(job)
    ]


def _results(job: Job, job_url: str) -> list[_Object]:
    return [
        {
            "id": result.id,
            "href": result_url(job_url, result.id),
            "mime-type": result.media_type,
            "size": result.size_bytes,
        }
        for result in job.results
    ]


def _error(job: Job) -> _Object | None:
    if job.error is None:
        return None
    return {"type": job.error.kind, "hasDetail": True, "message": job.error.message}


def _info(job: Job, now: datetime) -> _Object | None:
    info = job_info(job, now)
    if info is None:
        return None
    return {
        "total": info.total,
        "done": info.done,
        "failed": info.failed,
        "sizeBytes": info.size_bytes,
        "ratePerSecond": info.rate_per_s,
        "expectedEnd": _instant(info.expected_end),
        "notes": list(info.notes),
    }
