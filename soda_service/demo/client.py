"""Run a cutout job over HTTP with the standard library only, as any client can."""

import json
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from typing_extensions import override

__all__ = ["JobState", "create_job", "fetch_json", "wait_for_change"]

_UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
_INFO = "{urn:uws-server:jobinfo:1}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class JobState:
    """The content of a job document."""

    url: str
    phase: str
    total: int
    done: int
    """Rows finished, failed ones included."""

    results: Mapping[str, str]
    """Addresses by result id, in order."""

    message: str
    """Why the job is in phase ERROR."""

    @property
    def is_active(self) -> bool:
        """Whether the job is still active."""
        return self.phase in {"PENDING", "QUEUED", "EXECUTING"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    @override
    def http_error_303(self, *arguments: Any) -> Any:
        # Any: urllib's own signature. The address of the new job is what is wanted, not the job.
        return arguments[1]


def create_job(base_url: str, parameters: Mapping[str, str]) -> str:
    """POST a job that runs immediately; return its address.

    Raises
    ------
    urllib.error.HTTPError
        When the service refuses it; the body says why.
    """
    body = urlencode({"PHASE": "RUN", **parameters}).encode()
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(f"{base_url}/async", body, timeout=_TIMEOUT_S) as answer:
        return str(answer.headers["Location"])


def wait_for_change(url: str, *, seconds: int, phase: str = "") -> JobState:
    """Get the job document; with a phase, wait until the job has left it or the time is up."""
    query = urlencode({"WAIT": seconds, "PHASE": phase} if phase else {})
    with urllib.request.urlopen(f"{url}?{query}", timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http, our own service
        root = ET.fromstring(answer.read())  # noqa: S314 - of our own service

    def number(name: str) -> int:
        return int(root.findtext(f".//{_INFO}{name}") or 0)

    return JobState(
        url,
        root.findtext(f"{_UWS}phase") or "",
        number("total"),
        number("done") + number("failed"),
        {str(e.get("id")): str(e.get(_HREF)) for e in root.iter(f"{_UWS}result")},
        root.findtext(f"{_UWS}errorSummary/{_UWS}message") or "",
    )


def fetch_json(url: str) -> dict[str, Any]:
    """GET a JSON document."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
        content: dict[str, Any] = json.load(answer)
        return content
