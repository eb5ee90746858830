"""Shared by the routes that respond with VOTables: parameters of a request, and errors."""

from collections import defaultdict
from http import HTTPStatus

from flask import Request, Response

from soda_service.errors import CutoutError
from soda_service.formats.votable import error_votable
from uws.errors import TransientError, UWSError
from uws.http.formdata import form_fields
from uws.http.intake import Intake

__all__ = ["fault_of_error", "fault_votable", "request_texts"]

_TEXT_MAX = 100_000
"""Largest number of characters of a value; a polygon of a thousand vertices is shorter."""


def request_texts(request: Request) -> dict[str, list[str]]:
    """Read the values of a request by parameter name in upper case; skip blank values."""
    intake = Intake(_TEXT_MAX)
    intake.take(form_fields(request))
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for parameter in intake.parameters:
        if text := parameter.value.strip():
            texts[parameter.name].append(text)
    return dict(texts)


def fault_of_error(error: CutoutError | UWSError) -> tuple[str, HTTPStatus]:
    """Return the text of an error as DataLink and SIA word it (DL-9, SIA-14), and its status."""
    if isinstance(error, CutoutError):
        return f"UsageFault: {error}", HTTPStatus.BAD_REQUEST
    word = "TransientFault" if isinstance(error, TransientError) else "UsageFault"
    message = str(error).removeprefix(f"{error.label}: ")
    return f"{word}: {message}", HTTPStatus(error.status)


def fault_votable(text: str, status: HTTPStatus, content_type: str) -> Response:
    """Return an error as a VOTable."""
    return Response(error_votable(text), status, content_type=content_type)
