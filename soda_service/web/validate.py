"""`/validate`: what a request would make, and all that is wrong with it; makes no job."""

from flask import Blueprint, Response, jsonify, request

from soda_service.web.services import Services
from uws.http.formdata import form_fields
from uws.http.intake import Intake
from uws.http.reading import read_submission
from uws.models import new_job_id

__all__ = ["create_validate"]


def create_validate(services: Services) -> Blueprint:
    """Make the route."""
    runtime, files = services.runtime, services.runtime.files
    blueprint = Blueprint("validate", __name__)

    @blueprint.post("/validate")
    def validate() -> Response:
        """Tell faults, warnings, matched rows, files, bytes and seconds of a cutout request."""
        place = f".validate-{new_job_id()}"
        intake = Intake(runtime.limits.inline_value_max, files, job_id=place)
        try:
            intake.take(form_fields(request))
            parameters = read_submission(intake.parameters).parameters
            found = services.estimate(parameters)
        finally:
            files.delete(place)
        return jsonify(found.to_json())

    return blueprint
