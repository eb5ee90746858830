"""`/`: where a visitor lands, and asks for cutouts."""

from collections.abc import Callable, Mapping

from flask import Blueprint, Request, redirect, render_template, request
from flask.typing import ResponseReturnValue

from soda_service.errors import ConfigError
from soda_service.pages.downloads import failed_rows
from soda_service.pages.security import check_query_token, csrf_token
from soda_service.parameters.options import default_options, option_text
from soda_service.parameters.spec import describe_allowed
from soda_service.parameters.table import OPTION_NAMES, PARAMETERS
from soda_service.tiles.release import Release
from soda_service.tiles.releases import Releases
from soda_service.vo.examples import place_in
from soda_service.web.served import ServedReleases
from uws.errors import UsageError, UWSError
from uws.jobid import new_job_id
from uws.models import Job, Parameter, Phase
from uws.service import JobService
from uws.submitting import create_submitted, read_new

__all__ = ["create_ask"]

_TABLE_MAX = 2_000_000
"""Characters of a table that the form is filled with."""

_BOOLEANS = ("MAKE_RGB_STIFF", "MAKE_RGB_LUPTON", "DISCARD_FITS_FILES")
"""Options that are boxes to tick: a browser says nothing of those that are not."""


def create_ask(  # noqa: PLR0913 - the parts of the application that it shows
    service: JobService,
    releases: Releases,
    served: ServedReleases,
    base_url: Callable[[], str],
    *,
    owner: Callable[[Request], str],
    job_type: str,
    sends_mail: bool = False,
) -> Blueprint:
    """Make the routes.

    Parameters
    ----------
    sends_mail
        Whether EMAIL is offered.
    """
    blueprint = Blueprint("ask", __name__)

    def render(
        values: Mapping[str, str], faults: list[str], status: int = 200
    ) -> ResponseReturnValue:
        names = [release.name for release in served.all()]
        name = values.get("RELEASE") or served.default_name() or next(iter(names), "")
        release = releases.get(name) if name in names else None
        page = render_template(
            "ask.html",
            here="/",
            releases=served.all(),
            release=release,
            values=_defaults(release) | dict(values),
            specs=PARAMETERS,
            allowed=_allowed(release),
            example=None if release is None else _example(release, releases),
            faults=faults,
            sends_mail=sends_mail,
            token=csrf_token(),
        )
        return page, status

    @blueprint.get("/")
    def ask() -> ResponseReturnValue:
        """Show the form, filled from the address, or from the job that `from` names."""
        given = {name.upper(): value for name, value in request.args.items()}
        values = {name: value for name, value in given.items() if name in PARAMETERS}
        faults: list[str] = []
        if job_id := given.get("FROM"):
            try:
                job = service.get(owner(request), job_id)
                values = _of_job(service, job, only_failed=given.get("ROWS") == "failed") | values
            except UWSError as error:
                faults.append(str(error))
        return render(values, faults)

    @blueprint.post("/")
    def submit() -> ResponseReturnValue:
        """Make a job of the form and lead to it; where that is refused, show the form again."""
        check_query_token()
        who, job_id = owner(request), new_job_id()
        submission = read_new(service, request, job_id)
        ticked = {parameter.name for parameter in submission.parameters}
        unticked = tuple(Parameter(n, "false") for n in _BOOLEANS if n not in ticked)
        values = {p.name: p.value for p in submission.parameters if not p.by_reference}
        parameters = (*(p for p in submission.parameters if _is_given(p)), *unticked)
        base = base_url()
        try:
            create_submitted(
                service, who, submission.with_parameters(parameters, phase="RUN"),
                job_type=job_type, job_id=job_id, job_url=f"{base}/async/{job_id}",
            )  # fmt: skip
        except UsageError as error:
            text = str(error).partition(": ")[2]
            return render(values, text.split("\n"), error.status)
        return redirect(f"{base}/jobs/{job_id}", 303)

    return blueprint


def _is_given(parameter: Parameter) -> bool:
    """Tell what the user gave: no blank field, and not the token, which stands in the address."""
    is_blank = not parameter.by_reference and not parameter.value.strip()
    return parameter.name != "CSRF" and not is_blank


def _defaults(release: Release | None) -> dict[str, str]:
    if release is None:
        return {}
    options = default_options(release)
    texts = {name: option_text(name, options, release) for name in OPTION_NAMES}
    return {"RELEASE": release.name, **texts}


def _allowed(release: Release | None) -> dict[str, str]:
    if release is None:
        return {}
    return {spec.name: describe_allowed(spec, release) for spec in PARAMETERS.values()}


def _example(release: Release, releases: Releases) -> str:
    """Give a table of two positions that lie in the release; empty where it has no tile."""
    try:
        place = place_in(release, releases)
    except ConfigError:
        return ""
    if place is None:
        return ""
    moved = round(place.dec_deg + 0.005, 5)
    return f"RA,DEC,NAME\n{place.ra_deg},{place.dec_deg},first\n{place.ra_deg},{moved},second\n"


def _of_job(service: JobService, job: Job, *, only_failed: bool) -> dict[str, str]:
    """Give what a job was asked, for the form: its table too, as far as it is not too long."""
    files = service.runtime.files
    values = {p.name: p.value for p in job.parameters if not p.by_reference}
    if job.run_id:
        values["JOBNAME"] = job.run_id
    if only_failed:
        values["POSITIONS"] = "".join(failed_rows(job, files))
        return {name: value for name, value in values.items() if name not in {"RA", "DEC"}}
    if "RA" in values and "DEC" in values and "POSITIONS" not in values:
        values["POSITIONS"] = f"RA,DEC\n{values.pop('RA')},{values.pop('DEC')}\n"
    for parameter in job.parameters:
        if parameter.name == "POSITIONS" and parameter.by_reference and job.phase != Phase.ARCHIVED:
            with files.open(parameter.value) as stream:
                table = stream.read(_TABLE_MAX + 1).decode("utf-8", "replace")
            if len(table) <= _TABLE_MAX:
                values["POSITIONS"] = table
    return values
