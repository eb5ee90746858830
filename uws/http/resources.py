"""The resources of a job list and its jobs (UWS 2.2): read the request, one verb, answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from flask import Request, Response, request

from uws.dali import (
    format_instant,
    only_value,
    parse_instant,
    parse_integer,
    parse_last,
    parse_phase,
    shown,
    values_of,
)
from uws.errors import NotFoundError, UsageError, WrongPhaseError
from uws.http import documents, responses
from uws.http.formdata import bare_field, form_fields
from uws.http.intake import Intake
from uws.http.links import find_parameter
from uws.http.negotiation import HTML, document_type
from uws.http.newjob import create_new, read_new, take_new
from uws.http.reading import Submission, read_submission
from uws.http.responses import send_result
from uws.models import Job, Parameter, Phase, check_job_id, new_job_id
from uws.service import JobService

__all__ = ["JobResources", "View"]

View = Callable[..., Response]
"""Takes the segments of the path that the rule names."""


@dataclass(frozen=True, slots=True)
class JobResources:
    """All views of one job list; the fields are those of `uws.http.blueprint.create_blueprint`."""

    service: JobService
    job_type: str
    name: str
    authenticate: Callable[[Request], str]
    base_url: Callable[[], str]
    job_page: Callable[[str], str] | None
    accel_prefix: str

    def table(self) -> list[tuple[str, str, dict[str, View]]]:
        """Return endpoint, rule and the views by method, of every resource."""
        job = "/<job_id>"
        return [
            ("jobs", "", {"GET": self.show_jobs, "POST": self.create_job}),
            (
                "job",
                job,
                {"GET": self.show_job, "POST": self.post_job, "DELETE": self.delete_job},
            ),
            ("phase", f"{job}/phase", {"GET": self.show_phase, "POST": self.post_phase}),
            (
                "executionduration",
                f"{job}/executionduration",
                {"GET": self.show_duration, "POST": self.post_duration},
            ),
            (
                "destruction",
                f"{job}/destruction",
                {"GET": self.show_destruction, "POST": self.post_destruction},
            ),
            ("error", f"{job}/error", {"GET": self.show_error}),
            ("quote", f"{job}/quote", {"GET": self.show_quote}),
            ("owner", f"{job}/owner", {"GET": self.show_owner}),
            ("results", f"{job}/results", {"GET": self.show_results}),
            ("result", f"{job}/results/<path:path>", {"GET": self.show_result}),
            (
                "parameters",
                f"{job}/parameters",
                {"GET": self.show_parameters, "POST": self.post_parameters},
            ),
            (
                "parameter",
                f"{job}/parameters/<parameter>",
                {"GET": self.show_parameter, "PUT": self.put_parameter},
            ),
            ("unknown", f"{job}/<path:rest>", dict.fromkeys(("GET", "POST"), self.show_unknown)),
        ]

    # ---------------------------------------------------------------- job list

    def show_jobs(self) -> Response:
        """`GET {jobs}`: the list, newest first, filtered by PHASE, AFTER, LAST (UWS-9..16)."""
        owner = self.authenticate(request)
        media_type = document_type(request)
        query = list(request.args.items(multi=True))
        after = only_value(query, "AFTER")
        last = parse_last(only_value(query, "LAST"))
        if media_type == HTML and self.job_page is not None:
            return _see_page(self.job_page(""))
        jobs = self.service.list(
            owner,
            phases=frozenset(map(parse_phase, values_of(query, "PHASE"))),
            after=None if after is None else parse_instant("AFTER", after),
            last=last,
        )
        if media_type == HTML:
            return documents.jobs_page(jobs, self._jobs_url(), is_whole=last is not None)
        return documents.jobs_document(jobs, self._jobs_url(), media_type)

    def create_job(self) -> Response:
        """`POST {jobs}`: a new job, started if PHASE=RUN is among the fields (UWS-38..40)."""
        owner = self.authenticate(request)
        job_id = new_job_id()
        fields = take_new(self.service, form_fields(request), job_id)
        submission = read_new(self.service, fields, job_id)
        job_url = self._job_url(job_id)
        create_new(
            self.service, owner, submission, job_type=self.job_type, job_id=job_id, url=job_url
        )
        return responses.see_other(job_url)

    # --------------------------------------------------------------------- job

    def show_job(self, job_id: str) -> Response:
        """`GET {job}`: the document, after WAIT if requested (UWS-33)."""
        owner = self._caller(job_id)
        media_type = document_type(request)
        query = list(request.args.items(multi=True))
        wait = only_value(query, "WAIT")
        if wait is None or request.method == "HEAD":
            job = self.service.get(owner, job_id)
        else:
            phase = only_value(query, "PHASE")
            job = self.service.wait(
                owner,
                job_id,
                seconds=parse_integer("WAIT", wait),
                phase=None if phase is None else parse_phase(phase),
            )
        job = self._with_results(job)
        if media_type == HTML:
            return self._page(job)
        return documents.job_document(job, self._job_url(job_id), media_type)

    def post_job(self, job_id: str) -> Response:
        """`POST {job}`: ACTION=DELETE (UWS-45, UWS-T9), or a PHASE as at `{job}/phase` (UWS-T8).

        Parameters of the job are refused here (DALI-8), unless `parameters_at_job` is set.
        """
        owner = self._caller(job_id)
        submission = self._read_controls()
        if submission.action == "DELETE":
            self.service.delete(owner, job_id)
            return responses.see_other(self._jobs_url())
        url = self._job_url(job_id)
        allowed = (
            f"a job takes ACTION=DELETE, PHASE=RUN or PHASE=ABORT; parameters go to "
            f"{url}/parameters"
        )
        if submission.action is not None:
            raise UsageError(f"found ACTION={shown(submission.action)}; {allowed}")
        if submission.destruction is not None:
            raise UsageError(f"DESTRUCTION is posted to {url}/destruction")
        if submission.execution_duration_s is not None:
            raise UsageError(f"EXECUTIONDURATION is posted to {url}/executionduration")
        names = [each.name for each in submission.parameters]
        names += [] if submission.run_id is None else ["RUNID"]
        if names and self.service.runtime.limits.parameters_at_job:
            self._open_intake(owner, job_id)
            parameters, run_id = submission.parameters, submission.run_id
            self.service.set_parameters(owner, job_id, parameters, run_id=run_id)
        elif names or submission.phase is None:
            found = shown(", ".join(dict.fromkeys(names))) if names else "no ACTION and no PHASE"
            raise UsageError(f"found {found}; {allowed}")
        if submission.phase is not None:
            self._change_phase(owner, job_id, submission.phase)
        return responses.see_other(url)

    def delete_job(self, job_id: str) -> Response:
        """`DELETE {job}` (UWS-44)."""
        self.service.delete(self._caller(job_id), job_id)
        return responses.see_other(self._jobs_url())

    # ------------------------------------------------------------------- atoms

    def show_phase(self, job_id: str) -> Response:
        """`GET {job}/phase`."""
        return responses.atom(self._job(job_id).phase)

    def post_phase(self, job_id: str) -> Response:
        """`POST {job}/phase`: PHASE=RUN or PHASE=ABORT (UWS-41, UWS-42)."""
        owner = self._caller(job_id)
        phase = self._read_controls().phase
        if phase is None:
            raise UsageError("PHASE is missing; send PHASE=RUN or PHASE=ABORT")
        self._change_phase(owner, job_id, phase)
        return responses.see_other(self._job_url(job_id))

    def _change_phase(self, owner: str, job_id: str, phase: str) -> None:
        """Start or abort a job."""
        match phase:
            case "RUN":
                self.service.start(owner, job_id)
            case "ABORT":
                self.service.abort(owner, job_id)
            case other:
                raise UsageError(f"PHASE: {shown(other)} cannot be asked for, only RUN or ABORT")

    def show_duration(self, job_id: str) -> Response:
        """`GET {job}/executionduration`, in seconds; 0 is unlimited."""
        return responses.atom(str(self._job(job_id).execution_duration_s))

    def post_duration(self, job_id: str) -> Response:
        """`POST {job}/executionduration` (UWS-48)."""
        owner = self._caller(job_id)
        seconds = self._read_controls().execution_duration_s
        if seconds is None:
            raise UsageError("EXECUTIONDURATION is missing; send EXECUTIONDURATION=<seconds>")
        self.service.set_execution_duration(owner, job_id, seconds)
        return responses.see_other(self._job_url(job_id))

    def show_destruction(self, job_id: str) -> Response:
        """`GET {job}/destruction`."""
        return responses.atom(format_instant(self._job(job_id).destruction))

    def post_destruction(self, job_id: str) -> Response:
        """`POST {job}/destruction` (UWS-47)."""
        owner = self._caller(job_id)
        when = self._read_controls().destruction
        if when is None:
            raise UsageError("DESTRUCTION is missing; send DESTRUCTION=2030-01-31T12:00:00Z")
        self.service.set_destruction(owner, job_id, when)
        return responses.see_other(self._job_url(job_id))

    def show_quote(self, job_id: str) -> Response:
        """`GET {job}/quote`: empty while nothing is known (UWS-23)."""
        quote = self._job(job_id).quote
        return responses.atom("" if quote is None else format_instant(quote))

    def show_owner(self, job_id: str) -> Response:
        """`GET {job}/owner`: empty for the anonymous owner (UWS-24)."""
        return responses.atom(self._job(job_id).owner)

    def show_error(self, job_id: str) -> Response:
        """`GET {job}/error`: 200 if the job failed, else 404 (UWS-31)."""
        job = self._job(job_id)
        if job.phase not in {Phase.ERROR, Phase.ARCHIVED} or job.error is None:
            raise NotFoundError(f"job {job_id} is {job.phase}; there is no error")
        return responses.atom(job.error.detail or job.error.message)

    # ----------------------------------------------------------------- results

    def show_results(self, job_id: str) -> Response:
        """`GET {job}/results`."""
        media_type = document_type(request)
        job = self._with_results(self._job(job_id))
        if media_type == HTML:
            return self._page(job)
        return documents.results_document(job, self._job_url(job_id), media_type)

    def show_result(self, job_id: str, path: str) -> Response:
        """`GET {job}/results/{path}`: the content of a result (DALI-10)."""
        owner = self._caller(job_id)
        job, result = self.service.find_result(owner, job_id, path)
        return send_result(self.service.runtime, job, result, accel_prefix=self.accel_prefix)

    # -------------------------------------------------------------- parameters

    def show_parameters(self, job_id: str) -> Response:
        """`GET {job}/parameters`."""
        media_type = document_type(request)
        job = self._job(job_id)
        if media_type == HTML:
            return self._page(self._with_results(job))
        return documents.parameters_document(job, self._job_url(job_id), media_type)

    def post_parameters(self, job_id: str) -> Response:
        """`POST {job}/parameters`: replace the values of the names sent (UWS-49)."""
        owner = self._caller(job_id)
        intake = self._open_intake(owner, job_id)
        intake.take(form_fields(request))
        return self._change_parameters(owner, job_id, intake)

    def show_parameter(self, job_id: str, parameter: str) -> Response:
        """`GET {job}/parameters/NAME`, or `NAME.2` for the second value: the content."""
        job = self._job(job_id)
        found = find_parameter(job, parameter)
        if found is None:
            raise NotFoundError(f"job {job_id} has no parameter {shown(parameter)}")
        if not found.by_reference:
            return responses.atom(found.value)
        files = self.service.runtime.files
        return responses.send_upload(
            files,
            found.value,
            found.media_type,
            name=parameter.upper(),
            accel_prefix=self.accel_prefix,
        )

    def put_parameter(self, job_id: str, parameter: str) -> Response:
        """`PUT {job}/parameters/NAME`: the body is the value (UWS-49)."""
        owner = self._caller(job_id)
        intake = self._open_intake(owner, job_id)
        intake.take([bare_field(request, parameter)])
        return self._change_parameters(owner, job_id, intake)

    def show_unknown(self, job_id: str, rest: str) -> Response:
        """Any other path below a job."""
        raise NotFoundError(f"a job has nothing called {shown(rest)}; see {self._job_url(job_id)}")

    # ------------------------------------------------------------------ shared

    def _jobs_url(self) -> str:
        return f"{self.base_url().rstrip('/')}/{self.name}"

    def _job_url(self, job_id: str) -> str:
        return f"{self._jobs_url()}/{job_id}"

    def _caller(self, job_id: str) -> str:
        """Authenticate who asks for a job, unless there can be no such job.

        Clients try names like `capabilities` below any address: 404, also for those who must log
        in for everything else, or they give up there (VOSI-T1).
        """
        check_job_id(job_id)
        return self.authenticate(request)

    def _job(self, job_id: str) -> Job:
        return self.service.get(self._caller(job_id), job_id)

    def _with_results(self, job: Job) -> Job:
        return replace(job, results=self.service.results(job))

    def _page(self, job: Job) -> Response:
        if self.job_page is not None:
            return _see_page(self.job_page(job.id))
        return documents.job_page(job, self._job_url(job.id), self._jobs_url())

    def _read_controls(self) -> Submission:
        intake = Intake(self.service.runtime.limits.inline_value_max)
        intake.take(form_fields(request))
        return read_submission(intake.parameters)

    def _open_intake(self, owner: str, job_id: str) -> Intake:
        """Prepare to change parameters: nothing is read from those who may not."""
        job = self.service.get(owner, job_id)
        if job.phase != Phase.PENDING:
            raise WrongPhaseError(
                f"job {job_id} is {job.phase}; parameters can only be changed while PENDING"
            )
        runtime = self.service.runtime
        inline_max, held = runtime.limits.inline_value_max, job.parameters
        return Intake(inline_max, runtime.files, job_id=job_id, held=held)

    def _change_parameters(self, owner: str, job_id: str, intake: Intake) -> Response:
        url = self._job_url(job_id)
        try:
            submission = read_submission(intake.parameters)
            _refuse_controls(intake.parameters, url)
        except UsageError:
            intake.discard()
            raise
        self.service.set_parameters(owner, job_id, submission.parameters, run_id=submission.run_id)
        return responses.see_other(url)


def _see_page(url: str) -> Response:
    response = responses.see_other(url)
    response.vary.add("Accept")
    return response


def _refuse_controls(fields: list[Parameter], job_url: str) -> None:
    """Name the right address of a property that is not a parameter."""
    places = {
        "PHASE": "phase",
        "DESTRUCTION": "destruction",
        "EXECUTIONDURATION": "executionduration",
    }
    for field in fields:
        if field.name in places:
            raise UsageError(f"{field.name} is posted to {job_url}/{places[field.name]}")
        if field.name == "ACTION":
            raise UsageError(f"ACTION is posted to {job_url}")
