"""`/sync`: one cutout, made while the client waits; `/validate`: what a request would make."""

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
from uws.http.responses import see_other
from uws.models import new_job_id

__all__ = ["create_sync", "create_validate"]

_TEXT_MAX = 100_000
"""Characters of a value: a polygon of a thousand vertices has less."""


class _Busy(TransientError):
    """As many cutouts as are allowed are being made at this moment."""

    retry_after_s = 1


def create_sync(services: Services) -> Blueprint:
    """Make the route.

    Each process makes as many cutouts at a time as the settings give it; further ones get a 503.
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
            # A repeated request costs nothing, not even a slot.
            response.make_conditional(request.environ)
            if response.status_code == HTTPStatus.NOT_MODIFIED:
                return response
        if not slots.acquire(blocking=False):
            raise _Busy(f"{at_once} cutouts are being made at this moment; ask again")
        try:
            response.set_data(sync_cutout.cut(placed))
        finally:
            slots.release()
        name = quote(choice.name, safe="+")
        response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}"
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return answer_conditionally(response, request)

    @blueprint.route("/sync", methods=["GET", "POST"])
    def sync() -> Response:
        """Make one cutout: FITS of one band, or a picture; 204 where no pixel lies."""
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
    """Share the cutouts of a host between its web processes."""
    cores = os.cpu_count() or 1
    return max(1, config.sync.at_once_per_core * cores // config.web.workers)


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
