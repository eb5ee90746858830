"""What the routes that answer in VOTables share: the texts of a request, and faults."""

from collections import defaultdict
from http import HTTPStatus

from flask import Request, Response

from soda_service.errors import CutoutError
from soda_service.formats.votable import error_votable
from uws.errors import TransientError, UWSError
from uws.http.formdata import form_fields
from uws.http.intake import Intake

__all__ = ["fault_of_error", "fault_votable", "given_texts"]

_TEXT_MAX = 100_000
"""Characters of a value: a polygon of a thousand vertices has less."""


def given_texts(request: Request) -> dict[str, list[str]]:
    """Read the texts of a request by parameter, in upper case; blank ones count for nothing."""
    intake = Intake(_TEXT_MAX)
    intake.take(form_fields(request))
    given: defaultdict[str, list[str]] = defaultdict(list)
    for parameter in intake.parameters:
        if text := parameter.value.strip():
            given[parameter.name].append(text)
    return dict(given)


def fault_of_error(error: CutoutError | UWSError) -> tuple[str, HTTPStatus]:
    """Give the text of an error in the words of DataLink and SIA (DL-9, SIA-14), and its status."""
    if isinstance(error, CutoutError):
        return f"UsageFault: {error}", HTTPStatus.BAD_REQUEST
    word = "TransientFault" if isinstance(error, TransientError) else "UsageFault"
    told = str(error).removeprefix(f"{error.label}: ")
    return f"{word}: {told}", HTTPStatus(error.status)


def fault_votable(text: str, status: HTTPStatus, content_type: str) -> Response:
    """Tell what is wrong in a VOTable."""
    return Response(error_votable(text), status, content_type=content_type)
