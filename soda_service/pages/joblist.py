"""`/jobs`: the caller's jobs; search, sort, rename, stop and delete them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from soda_service.pages.jobfacts import duration_s, job_facts
from soda_service.pages.security import csrf_protected
from soda_service.web.access import caller
from soda_service.web.services import Services
from uws.dali import parse_phase
from uws.errors import UsageError, WrongPhaseError
from uws.finding import JobColumn, JobPage, JobQuery
from uws.http.negotiation import JSON, document_type
from uws.models import ABORTABLE, Phase
from uws.service import JobService

__all__ = ["create_joblist"]

PAGE_ROWS = 50
_TOGETHER_MAX = 1000
"""Largest number of jobs stopped or deleted by one request."""

_COLUMNS: Mapping[JobColumn, tuple[str, bool]] = MappingProxyType(
    {
        JobColumn.PHASE: ("State", False),
        JobColumn.NAME: ("Name", False),
        JobColumn.CREATED: ("Submitted", True),
        JobColumn.DURATION: ("Duration", True),
        JobColumn.ITEMS: ("Rows", True),
        JobColumn.SIZE: ("Size", True),
    }
)
"""In table order: heading, and whether the first click sorts in descending order."""

_SHOWN_PHASES = (
    Phase.PENDING, Phase.QUEUED, Phase.EXECUTING, Phase.COMPLETED, Phase.ERROR, Phase.ABORTED,
    Phase.ARCHIVED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Search:
    """The query of the URL, which can be written again with changes."""

    text: str
    phases: tuple[Phase, ...]
    order: tuple[tuple[JobColumn, bool], ...]
    page: int

    def query(self) -> JobQuery:
        order = self.order or JobQuery().order
        offset = (self.page - 1) * PAGE_ROWS
        return JobQuery(self.text, self.phases, order, offset, PAGE_ROWS)

    def link(self, **changes: Any) -> str:
        """Return the query string with some changes; defaults are omitted."""
        values: dict[str, Any] = {
            "q": self.text,
            "phase": [phase.value for phase in self.phases],
            "order": _order_text(self.order),
            "page": self.page,
        } | changes
        return urlencode(
            {k: v for k, v in values.items() if v and (k, v) != ("page", 1)}, doseq=True
        )

    def sorted_by(self, column: JobColumn) -> str:
        """Return `ascending`, `descending` or `none`."""
        for found, is_descending in self.order or JobQuery().order:
            if found is column:
                return "descending" if is_descending else "ascending"
        return "none"

    def order_link(self, column: JobColumn, *, is_added: bool = False) -> str:
        """Return the link that sorts by a column, alone or in addition; again reverses it."""
        current = dict(self.order or JobQuery().order)
        is_descending = not current[column] if column in current else _COLUMNS[column][1]
        if is_added:
            order = tuple((current | {column: is_descending}).items())
        else:
            order = ((column, is_descending),)
        return self.link(order=_order_text(order), page=1)


def create_joblist(services: Services) -> Blueprint:
    """Create the blueprint."""
    service, base_url = services.jobs, services.base_url
    blueprint = Blueprint("joblist", __name__)

    @blueprint.get("/jobs")
    def job_list() -> ResponseReturnValue:
        """List the caller's jobs as a page, or as JSON on request."""
        search = _read()
        found = service.find(caller().owner, search.query())
        if document_type(request) == JSON:
            return _as_json(found, search, base_url())
        return render_template(
            "jobs.html",
            here="/jobs",
            found=found,
            search=search,
            columns=_COLUMNS,
            phases=_SHOWN_PHASES,
            pages=_pages(found),
            abortable=ABORTABLE,
            duration_s=duration_s,
        )

    @blueprint.post("/jobs")
    @csrf_protected
    def change_jobs() -> ResponseReturnValue:
        """Stop or delete the jobs named by `id`; `action` is `abort` or `delete`."""
        who, action = caller().owner, request.form.get("action", "")
        job_ids = list(dict.fromkeys(request.form.getlist("id")))
        back = request.form.get("back", "")
        if action not in {"abort", "delete"}:
            raise UsageError(f"action: {action[:40]!r} found; allowed are abort and delete")
        if len(job_ids) > _TOGETHER_MAX:
            raise UsageError(f"id: {len(job_ids)} jobs; at most {_TOGETHER_MAX} at a time")
        if action == "delete" and job_ids and "confirmed" not in request.form:
            jobs = service.get_many(who, job_ids).values()
            return render_template("confirm.html", here="/jobs", jobs=jobs, back=back)
        done = [job_id for job_id in job_ids if _done(service, who, job_id, action)]
        if document_type(request) == JSON:
            return jsonify(action=action, done=done)
        query = urlencode(parse_qsl(back))
        return redirect(f"{base_url()}/jobs?{query}".rstrip("?"), 303)

    return blueprint


def _done(service: JobService, who: str, job_id: str, action: str) -> bool:
    """Stop or delete one of several jobs; return False if it was finished or gone."""
    if job_id not in service.get_many(who, [job_id]):
        return False
    if action == "delete":
        service.delete(who, job_id)
        return True
    try:
        service.abort(who, job_id)
    except WrongPhaseError:
        return False
    return True


def _read() -> _Search:
    args = request.args
    page = args.get("page", "1")
    if not (page.isascii() and page.isdigit() and 0 < int(page) <= 10**6):
        raise UsageError(f"page: {page[:40]!r} found; allowed is a number from 1")
    return _Search(
        text=args.get("q", "").strip()[:200],
        phases=tuple(dict.fromkeys(parse_phase(text) for text in args.getlist("phase") if text)),
        order=_parse_order(args.get("order", "")),
        page=int(page),
    )


def _parse_order(text: str) -> tuple[tuple[JobColumn, bool], ...]:
    """Parse `-created,name`: columns, with a minus for descending order."""
    order: dict[JobColumn, bool] = {}
    for word in filter(None, text.split(",")):
        name = word.removeprefix("-")
        if name not in set(JobColumn):
            raise UsageError(f"order: {name[:40]!r} found; allowed are {', '.join(JobColumn)}")
        order.setdefault(JobColumn(name), word.startswith("-"))
    return tuple(order.items())


def _order_text(order: Sequence[tuple[JobColumn, bool]]) -> str:
    return ",".join(f"{'-' if is_descending else ''}{column}" for column, is_descending in order)


def _pages(found: JobPage) -> int:
    return max(1, ceil(found.total / PAGE_ROWS))


def _as_json(found: JobPage, search: _Search, base: str) -> ResponseReturnValue:
    return jsonify(
        jobs=[job_facts(job, f"{base}/jobs/{job.id}") for job in found.jobs],
        total=found.total,
        page=search.page,
        pages=_pages(found),
    )
