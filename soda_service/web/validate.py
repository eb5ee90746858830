"""`/validate`: what a request would make, and all that is wrong with it; makes no job."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.estimate import estimate
from soda_service.cutouts.holdings import Sky
from uws.files import JobFiles
from uws.http.formdata import form_fields
from uws.http.intake import Intake
from uws.http.reading import read_submission
from uws.models import new_job_id

__all__ = ["create_validate"]


def create_validate(
    sky: Sky,
    settings: CutoutsConfig,
    files: JobFiles,
    *,
    inline_max: int,
    rows_per_s: Callable[[], float | None],
) -> Blueprint:
    """Make the route.

    Parameters
    ----------
    files
        Where a long table lies while it is looked at.
    inline_max
        Longest value that is kept in memory, characters.
    rows_per_s
        Gives the rate of the jobs done last, if there were any.
    """
    blueprint = Blueprint("validate", __name__)

    @blueprint.post("/validate")
    def validate() -> Response:
        """Tell faults, warnings, matched rows, files, bytes and seconds of a cutout request."""
        place = f".validate-{new_job_id()}"
        intake = Intake(inline_max, files, job_id=place)
        try:
            intake.take(form_fields(request))
            parameters = read_submission(intake.parameters).parameters
            found = estimate(parameters, files, sky, settings, rows_per_s=rows_per_s())
        finally:
            files.delete(place)
        return jsonify(found.to_json())

    return blueprint
