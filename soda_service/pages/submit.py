"""`/`: the form for new cutouts, filled in from the URL, from a job, or from what was sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from soda_service.cutouts.estimate import Estimate
from soda_service.engine.colour.methods import METHODS
from soda_service.errors import Fault, OptionsError
from soda_service.formats import FORMATS, picture_formats
from soda_service.pages.security import csrf_protected_unread
from soda_service.pages.submit_form import (
    TEXT_MAX_BYTES,
    FormState,
    fill,
    form_parameters,
    other_options,
    read_texts,
    release_facts,
)
from soda_service.request.table import EDGES, FILTER_NAMES, PARAMETERS
from soda_service.request.upload import with_uploads
from soda_service.results.reading import JobResults
from soda_service.sky.releases import Releases
from soda_service.web.access import caller
from soda_service.web.served import ServedReleases
from soda_service.web.services import Services
from uws.errors import UWSError
from uws.http.formdata import form_fields
from uws.http.newjob import create_new, read_new, take_new
from uws.http.responses import see_other
from uws.models import Job, Parameter, new_job_id
from uws.service import JobService

__all__ = ["create_submit"]

_MORE = ("DB", "RUNID")
"""Parameters of the job that few need."""


def create_submit(services: Services) -> Blueprint:
    """Make the routes."""
    blueprint = Blueprint("submit", __name__)
    form = _Form(services, services.holdings.releases, services.served, services.jobs)
    blueprint.get("/", endpoint="form")(form.ask)
    blueprint.post("/", endpoint="send")(csrf_protected_unread(form.send))
    return blueprint


@dataclass(frozen=True, slots=True)
class _Form:
    services: Services
    releases: Releases
    served: ServedReleases
    service: JobService

    def ask(self) -> ResponseReturnValue:
        """`GET /`: show the form, filled in from the query or from the job named by `from`."""
        job_id = request.args.get("from", "")
        if job_id:
            job = self.service.get(caller().owner, job_id)
            return self._show(self._of_job(job, only_failed=request.args.get("rows") == "failed"))
        query = request.args.items(multi=True)
        return self._show(self._filled([Parameter(name.upper(), text) for name, text in query]))

    def send(self) -> ResponseReturnValue:
        """`POST /`: create the job, or show the form again with its errors."""
        owner, job_id = caller().owner, new_job_id()
        try:
            fields = take_new(self.service, form_fields(request), job_id)
        except UWSError as error:
            return self._refused(self._filled([]), error)
        state = self._filled(fields)
        parameters = form_parameters(fields, state.release)
        if any(each.name == "VALIDATE" for each in fields):
            return self._looked(state, parameters, job_id)
        url = f"{self.services.base_url()}/async/{job_id}"
        try:
            new = replace(read_new(self.service, parameters, job_id), phase="RUN")
            create_new(self.service, owner, new, job_type="cutout", job_id=job_id, url=url)
        except UWSError as error:
            return self._refused(state, error)
        return see_other(f"{self.services.base_url()}/jobs/{job_id}")

    def _looked(
        self, state: FormState, parameters: Sequence[Parameter], job_id: str
    ) -> ResponseReturnValue:
        try:
            found = self.services.estimate(parameters)
        except UWSError as error:
            return self._refused(state, error)
        finally:
            self.service.runtime.files.delete(job_id)
        return self._show(replace(state, faults=found.faults), found=found)

    def _refused(self, state: FormState, error: UWSError) -> Response:
        answer = self._show(replace(state, faults=_faults_of(error)), status=error.status)
        if error.retry_after_s is not None:
            answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer

    def _of_job(self, job: Job, *, only_failed: bool) -> FormState:
        """Fill in the request of a job."""
        parameters = list(with_uploads(job.parameters))
        name = next((each.value for each in parameters if each.name == "JOBNAME"), "")
        # A long JOBNAME is cut for the runId; any other difference comes from renaming.
        if not job.run_id or not name.strip().startswith(job.run_id):
            parameters = [each for each in parameters if each.name != "JOBNAME"]
            if job.run_id:
                parameters.append(Parameter("JOBNAME", job.run_id))
        return self._of_failed(job, parameters) if only_failed else self._filled(parameters)

    def _of_failed(self, job: Job, parameters: Sequence[Parameter]) -> FormState:
        """Fill in the request of a job, with only the rows that failed."""
        if any(each.name in FILTER_NAMES and each.value.strip() for each in parameters):
            note = "This job has shapes instead of a table, so all of them are shown."
            return self._filled(parameters, (note,))
        parameters = [each for each in parameters if each.name != "POSITIONS"]
        table = _joined(JobResults(self.service.runtime.files, job).failed_table(), TEXT_MAX_BYTES)
        if table is None:
            url = f"{self.services.base_url()}/jobs/{job.id}/failed.csv"
            note = Markup(
                "There are too many failed rows to show here: save "
                '<a href="{}">their table</a> and choose it as the file.'
            ).format(url)
            return self._filled(parameters, (note,))
        return self._filled([*parameters, Parameter("POSITIONS", table)])

    def _filled(self, fields: Sequence[Parameter], notes: tuple[str, ...] = ()) -> FormState:
        texts, unread = read_texts(fields, self.service.runtime.files)
        default = self.served.default_name()
        return fill(texts, self.served.all(), default, notes=notes + unread)

    def _show(
        self, state: FormState, *, found: Estimate | None = None, status: int = 200
    ) -> Response:
        releases = self.served.all()
        page = render_template(
            "submit.html",
            here="/",
            state=state,
            releases=releases,
            facts=[release_facts(each, self.releases) for each in releases],
            specs=PARAMETERS,
            edges=EDGES,
            formats=FORMATS.values(),
            picture_format=picture_formats()[0],
            methods=METHODS.values(),
            others=other_options(),
            more=_MORE,
            filters=FILTER_NAMES,
            sends_mail=self.services.config.mail.is_on,
            found=found,
        )
        return make_response(page, status)


def _joined(lines: Iterable[str], most_bytes: int) -> str | None:
    """Join lines, unless they are longer than `most_bytes`."""
    found, size_bytes = [], 0
    for line in lines:
        size_bytes += len(line.encode())
        if size_bytes > most_bytes:
            return None
        found.append(line)
    return "".join(found)


def _faults_of(error: UWSError) -> tuple[Fault, ...]:
    """Return what is wrong, row by row if the rows are known."""
    cause = error.__cause__
    if not isinstance(cause, OptionsError):
        return (Fault(str(error.args[0]) if error.args else HTTPStatus(error.status).phrase),)
    unlisted = cause.total - len(cause.faults)
    return cause.faults + ((Fault(f"and {unlisted} more faults"),) if unlisted else ())
