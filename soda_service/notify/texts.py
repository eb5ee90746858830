"""Texts of mails: subject, text and HTML of each kind, from templates."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from soda_service.notify.report import JobReport
from soda_service.pages.formatting import FILTERS
from uws.models import Job, Phase

__all__ = ["Letter", "Service", "ended_letter", "warning_letter"]

_TEMPLATES = Path(__file__).parent / "templates"

# Text templates are not HTML, and are not escaped.
_texts = Environment(  # noqa: S701
    loader=FileSystemLoader(_TEMPLATES),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_texts.filters.update(FILTERS)
_pages.filters.update(FILTERS)


@dataclass(frozen=True, slots=True)
class Service:
    """The service that sends the mail."""

    title: str
    base_url: str
    """Its address, without a trailing slash."""

    contact: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """Text of a mail."""

    subject: str
    text: str
    html: str


def ended_letter(service: Service, job: Job, report: JobReport) -> Letter:
    """Return the letter that a job has ended, with its outcome."""
    called = report.name or f"job {job.id[:8]}"
    match job.phase:
        case Phase.COMPLETED if report.counts and report.good < report.rows:
            subject = f"Done, {report.good} of {report.rows} positions: {called}"
        case Phase.COMPLETED:
            subject = f"Done: {called}"
        case Phase.ABORTED:
            subject = f"Stopped: {called}"
        case _:
            subject = f"Failed: {called}"
    return _letter("ended", subject, service, job=job, report=report, called=called)


def warning_letter(
    service: Service, job: Job, report: JobReport, *, token: str, until: datetime | None
) -> Letter:
    """Return the letter that results will be destroyed soon.

    Parameters
    ----------
    token
        Token of the link that keeps them; empty if they cannot be kept.
    until
        Time until which the link keeps them.
    """
    called = report.name or f"job {job.id[:8]}"
    subject = f"Results will be destroyed on {job.destruction:%Y-%m-%d}: {called}"
    link = f"{service.base_url}/keep/{token}" if token else ""
    return _letter(
        "warning", subject, service, job=job, report=report, called=called, link=link, until=until
    )


def _letter(kind: str, subject: str, service: Service, *, job: Job, **known: Any) -> Letter:
    # Any: all values that the template of this kind shows.
    known |= {"service": service, "job": job, "page": f"{service.base_url}/jobs/{job.id}"}
    subject = f"[{service.title}] {subject}"
    known["subject"] = subject
    text = _texts.get_template(f"{kind}.txt").render(known)
    html = _pages.get_template(f"{kind}.html").render(known)
    return Letter(subject, text, html)
