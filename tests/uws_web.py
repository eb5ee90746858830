"""A small Flask application around the UWS blueprint, as the contract tests drive it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Request
from flask.testing import FlaskClient
from lxml import etree
from typing_extensions import override
from werkzeug.test import TestResponse

from tests.toyjob import ToyJob
from tests.uws_runtime import RecordingExecutor, open_runtime
from uws.errors import AuthenticationError
from uws.files import JobFiles
from uws.http.blueprint import create_blueprint
from uws.models import Job, Result
from uws.runtime import JobLimits, Runtime
from uws.service import JobService
from uws.work.execution import InlineExecutor

__all__ = ["BASE_URL", "JOBS_URL", "UWS", "Web", "assert_text_error", "open_web"]

BASE_URL = "https://sky.example/vo"
JOBS_URL = f"{BASE_URL}/async"
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"


class StreamingToy(ToyJob):
    """A toy job that also has results made on demand: `stream` of known size, `endless` not."""

    @override
    def find_result(self, job: Job, path: str, files: JobFiles) -> Result | None:
        if path in {"stream", "endless"}:
            return Result(path, path, "application/gzip", 6 if path == "stream" else None)
        return super().find_result(job, path, files)

    @override
    def stream_result(self, job: Job, result: Result, files: JobFiles) -> Iterator[bytes] | None:
        return iter((b"abc", b"def")) if result.key in {"stream", "endless"} else None


class _Client(FlaskClient):
    """Reads every answer whole and closes it, unless told otherwise."""

    @override
    def open(self, *args: Any, buffered: bool = True, **options: Any) -> TestResponse:
        return super().open(*args, buffered=buffered, **options)


@dataclass(frozen=True, slots=True)
class Web:
    """The application's parts, and the requests that tests make most."""

    app: Flask
    client: FlaskClient
    service: JobService

    @property
    def runtime(self) -> Runtime:
        return self.service.runtime

    def create(self, **form: str | list[str]) -> str:
        """Create a job; gives its path."""
        answer = self.client.post("/async", data=form)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"].removeprefix(BASE_URL)

    def document(self, path: str) -> etree._Element:
        """Get an XML document."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return etree.fromstring(answer.data)

    def phase(self, path: str) -> str:
        """Get the phase of a job."""
        return self.client.get(f"{path}/phase").text

    def kept(self) -> list[str]:
        """List the files of all jobs."""
        root = self.runtime.files.path("x").parent
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def ids(self, query: str = "") -> list[str]:
        """Get the ids of the job list."""
        return [child.get("id") for child in self.document(f"/async{query}")]


def open_web(
    folder: Path, *, works: bool = True, limits: JobLimits | None = None, **options: Any
) -> Web:
    """Make the application; jobs are done at once, or, where `works` is not set, never."""
    idle = open_runtime(folder, RecordingExecutor())
    types = {"toy": StreamingToy()}
    limits = limits or idle.limits
    runtime = Runtime(idle.store, idle.files, types, idle.executor, limits)
    if works:
        parts = (idle.store, idle.files)
        runtime = InlineExecutor(*parts, job_types=types, limits=limits).runtime
    service = JobService(runtime)
    app = Flask(__name__)
    app.test_client_class = _Client
    app.config["MAX_CONTENT_LENGTH"] = 20_000_000
    options.setdefault("base_url", lambda: BASE_URL)
    blueprint = create_blueprint(service, job_type="toy", authenticate=_authenticate, **options)
    app.register_blueprint(blueprint)
    return Web(app, app.test_client(), service)


def _authenticate(request: Request) -> str:
    """Believe the user name; nobody and the empty name are the anonymous owner."""
    if request.headers.get("Authorization") == "Bearer wrong":
        raise AuthenticationError("the token is not known")
    return (request.authorization and request.authorization.username) or ""


def assert_text_error(answer: TestResponse, status: int, text: str) -> None:
    """Check an error as SODA 5.2 and DALI 4.2 want it."""
    assert (answer.status_code, answer.text) == (status, f"{text}\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
