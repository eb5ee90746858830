"""DALI UPLOAD: a table sent as a part of the same request (DALI 1.1, section 3.4.5)."""

import re
from collections.abc import Sequence
from dataclasses import replace

from soda_service.errors import Fault, OptionsError
from soda_service.request.parsing import shorten
from uws.models import Parameter

__all__ = ["with_uploads"]

UPLOAD, _POSITIONS = "UPLOAD", "POSITIONS"

_FORM = re.compile(r"(?P<name>[^,;]*),(?P<uri>[^;]*)")
_ALLOWED = "allowed: UPLOAD=positions,param:PART, where PART is a part of the same request"


def with_uploads(parameters: Sequence[Parameter]) -> Sequence[Parameter]:
    """Replace UPLOAD by a POSITIONS parameter with the uploaded part.

    Parameters
    ----------
    parameters
        Parameters as sent; returned unchanged if there is no UPLOAD.

    Raises
    ------
    OptionsError
        If UPLOAD names no part, another table, an external URL, or more than one table.
    """
    uploads = [each for each in parameters if each.name.upper() == UPLOAD]
    sent = [each.value.strip() for each in uploads if each.by_reference or each.value.strip()]
    if not sent:
        return [each for each in parameters if each not in uploads] if uploads else parameters
    if len(sent) > 1 or ";" in sent[0]:
        raise _wrong(f"several tables found, but a job has one; {_ALLOWED}", sent[-1])
    part = _part_of(sent[0])
    named = [each for each in parameters if each.name.upper() == part]
    if not named:
        raise _wrong(f"there is no part {shorten(part)!r} in the request; {_ALLOWED}", sent[0])
    if len(named) > 1:
        raise _wrong(f"there are {len(named)} parts {shorten(part)!r}; {_ALLOWED}", sent[0])
    others = [each for each in parameters if each not in uploads and each is not named[0]]
    if any(each.name.upper() == _POSITIONS for each in others):
        raise _wrong("given together with POSITIONS; allowed is only one of them", sent[0])
    return [*others, replace(named[0], name=_POSITIONS)]


def _part_of(text: str) -> str:
    """Return the name of the part in upper case, as in parameters."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise _wrong(f"{shorten(text)!r} found; {_ALLOWED}", text)
    name, uri = parts["name"].strip(), parts["uri"].strip()
    if name.lower() != "positions":
        raise _wrong(f"the table is called {shorten(name)!r}; {_ALLOWED}", text)
    scheme, colon, part = uri.partition(":")
    if not colon or scheme.lower() != "param":
        problem = "external URLs are not fetched" if "//" in uri else f"{shorten(uri)!r} found"
        raise _wrong(f"{problem}; {_ALLOWED}", text)
    return part.strip().upper()


def _wrong(message: str, found: str) -> OptionsError:
    return OptionsError((Fault(message, column=UPLOAD, found=shorten(found)),))
