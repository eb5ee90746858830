"""`/sync`: one cutout, returned at once; `/validate`: check a request and estimate its output."""

import os
import threading
from http import HTTPStatus
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request

from soda_service.config.model import Config
from soda_service.cutouts.sync_cutout import Choice, WholeTile
from soda_service.errors import NoCoverage
from soda_service.web.services import Services
from uws.errors import TransientError
from uws.http.conditional import answer_conditionally
from uws.http.formdata import form_fields
from uws.http.intake import Intake
from uws.http.reading import read_submission
from uws.http.responses import inline_as, see_other
from uws.models import new_job_id

__all__ = ["create_sync", "create_validate"]

_TEXT_MAX = 100_000
"""Largest number of characters of a value; a polygon of a thousand vertices is shorter."""


class _Busy(TransientError):
    """All slots for concurrent cutouts are taken."""

    retry_after_s = 1


def create_sync(services: Services) -> Blueprint:
    """Create the blueprint.

    The settings limit how many cutouts a process makes at a time. Further requests get a 503.
    """
    blueprint = Blueprint("sync", __name__)
    sync_cutout, base_url = services.sync_cutout, services.base_url
    at_once = _at_once(services.config)
    slots = threading.BoundedSemaphore(at_once)

    def answer(choice: Choice) -> Response:
        response = Response(content_type=choice.media_type)
        placed = sync_cutout.place(choice)
        if placed.tag:
            response.set_etag(placed.tag)
            # A repeated request needs no slot.
            response.make_conditional(request.environ)
            if response.status_code == HTTPStatus.NOT_MODIFIED:
                return response
        if not slots.acquire(blocking=False):
            raise _Busy(f"{at_once} cutouts are being made right now; try again shortly")
        try:
            response.set_data(sync_cutout.cut(placed))
        finally:
            slots.release()
        response.headers["Content-Disposition"] = inline_as(choice.name)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return answer_conditionally(response, request)

    @blueprint.route("/sync", methods=["GET", "POST"])
    def sync() -> Response:
        """Return one cutout: FITS of one band, or a picture; 204 if there are no pixels."""
        intake = Intake(_TEXT_MAX)
        intake.take(form_fields(request))
        try:
            choice = sync_cutout.choose(intake.parameters)
            if isinstance(choice, WholeTile):
                parts = (choice.release, choice.tile, choice.band)
                path = "/".join(quote(part, safe="+/") for part in parts)
                return see_other(f"{base_url()}/tiles/{path}")
            return answer(choice)
        except NoCoverage:
            return Response(status=HTTPStatus.NO_CONTENT)

    return blueprint


def _at_once(config: Config) -> int:
    """Return the number of concurrent cutouts of one web process."""
    cores = os.cpu_count() or 1
    return max(1, config.sync.at_once_per_core * cores // config.web.workers)


def create_validate(services: Services) -> Blueprint:
    """Create the blueprint."""
    runtime, files = services.runtime, services.runtime.files
    blueprint = Blueprint("validate", __name__)

    @blueprint.post("/validate")
    def validate() -> Response:
        """Check a cutout request: errors, warnings, matched rows, files, bytes and seconds."""
        place = f".validate-{new_job_id()}"
        most = runtime.limits.inline_value_max
        intake = Intake(most, files, job_id=place, is_durable=False)
        try:
            intake.take(form_fields(request))
            parameters = read_submission(intake.parameters).parameters
            found = services.estimate(parameters)
        finally:
            files.delete(place)
        return jsonify(found.to_json())

    return blueprint
