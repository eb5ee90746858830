"""Jobs as responses in the requested format: XML, JSON, or a plain HTML page."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice

from flask import Response, render_template

from uws.dali import format_instant
from uws.http import json_documents, responses, xml_documents
from uws.http.jobinfo import job_info
from uws.http.links import numbered_parameters, parameter_url, result_url
from uws.http.negotiation import HTML, JSON
from uws.models import ABORTABLE, ACTIVE, STARTABLE, Job, Phase

__all__ = [
    "job_document",
    "job_page",
    "jobs_document",
    "jobs_page",
    "parameters_document",
    "results_document",
]

_PAGE_ROWS = 500
"""Jobs on the HTML page of the list, unless LAST asks for a number."""

_Writer = Callable[[Job, str], bytes]


def jobs_document(jobs: Iterator[Job], jobs_url: str, media_type: str) -> Response:
    """Answer the job list, as a stream."""
    write = json_documents.jobs_json if media_type == JSON else xml_documents.jobs_xml
    return responses.streamed_document(write(jobs, jobs_url), media_type)


def job_document(job: Job, job_url: str, media_type: str) -> Response:
    """Answer one job."""
    write = json_documents.job_json if media_type == JSON else xml_documents.job_xml
    return responses.document(write(job, job_url, now=datetime.now(UTC)), media_type)


def parameters_document(job: Job, job_url: str, media_type: str) -> Response:
    """Answer the parameters of a job."""
    write: _Writer = (
        json_documents.parameters_json if media_type == JSON else xml_documents.parameters_xml
    )
    return responses.document(write(job, job_url), media_type)


def results_document(job: Job, job_url: str, media_type: str) -> Response:
    """Answer the results of a job."""
    write: _Writer = (
        json_documents.results_json if media_type == JSON else xml_documents.results_xml
    )
    return responses.document(write(job, job_url), media_type)


def jobs_page(jobs: Iterator[Job], jobs_url: str, *, is_whole: bool) -> Response:
    """Answer the job list as a page.

    Parameters
    ----------
    jobs, jobs_url
        As for the document.
    is_whole
        Show all of `jobs`, and not only the first few hundred.
    """
    rows = list(jobs if is_whole else islice(jobs, _PAGE_ROWS + 1))
    page = render_template(
        "uws_jobs.html",
        jobs=rows if is_whole else rows[:_PAGE_ROWS],
        is_cut=not is_whole and len(rows) > _PAGE_ROWS,
        jobs_url=jobs_url,
        css_url=_css_url(jobs_url),
        instant=format_instant,
    )
    return responses.document(page, HTML)


def job_page(job: Job, job_url: str, jobs_url: str) -> Response:
    """Answer one job as a page, with forms for what can be done with it."""
    parameters = [(item, parameter_url(job_url, name)) for name, item in numbered_parameters(job)]
    page = render_template(
        "uws_job.html",
        job=job,
        job_url=job_url,
        jobs_url=jobs_url,
        css_url=_css_url(jobs_url),
        info=job_info(job, datetime.now(UTC)),
        parameters=parameters,
        results=[(item, result_url(job_url, item.id)) for item in job.results],
        is_startable=job.phase in STARTABLE,
        is_abortable=job.phase in ABORTABLE,
        is_moving=job.phase in ACTIVE - {Phase.PENDING},
        instant=format_instant,
    )
    return responses.document(page, HTML)


def _css_url(jobs_url: str) -> str:
    return f"{jobs_url}/.static/uws.css"
