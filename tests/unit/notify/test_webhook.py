"""Calls of addresses: signed, tried again, and never to what is inside."""

import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soda_service.config.model import WebhooksConfig
from soda_service.notify.inside import is_inside, resolve
from soda_service.notify.webhook import WebhookTransport
from tests.listeners import Receiver, receiving
from tests.uws_runtime import RecordingExecutor, open_runtime
from uws.messages import Undeliverable
from uws.models import ErrorSummary, Job, Parameter, Phase
from uws.notify.delivery import MessageReport, deliver
from uws.runtime import Runtime
from uws.service import JobService

SECRET = "a secret of many letters"
SETTINGS = WebhooksConfig(
    enabled=True, secret=SECRET, allow_http=True, allow_private=True, timeout_s=5
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return open_runtime(tmp_path, RecordingExecutor())


@pytest.fixture
def make(runtime: Runtime) -> Callable[[str], Job]:
    """Give what makes a job in ERROR that wants an address called."""

    def _make(url: str) -> Job:
        parameters = [Parameter("WEBHOOK", url), Parameter("JOBNAME", "Night é")]
        job = JobService(runtime).create("", parameters, job_type="toy")
        error = ErrorSummary("Error: it broke")
        runtime.store.move(job.id, Phase.ERROR, among={Phase.PENDING}, error=error)
        return runtime.store.get(job.id)

    return _make


def transport(runtime: Runtime, settings: WebhooksConfig = SETTINGS) -> WebhookTransport:
    return WebhookTransport(settings, "https://example.org/cut", runtime.files)


def test_a_call_is_signed_and_says_what_became_of_the_job(
    receiver: Receiver, runtime: Runtime, make: Callable[[str], Job]
) -> None:
    job = make(receiver.url)
    assert deliver(runtime, [transport(runtime)]) == MessageReport(sent=1)
    ((path, headers, body),) = receiver.calls
    assert path == "/done?for=me"
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Soda-Delivery"].startswith(f"webhook-ended.{job.id}.")
    time, signature = (part.partition("=")[2] for part in headers["X-Soda-Signature"].split(","))
    signed = f"{time}.".encode() + body
    assert hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() == signature
    told = json.loads(body)
    assert (told["job"], told["phase"], told["name"]) == (job.id, "ERROR", "Night é")
    assert told["error"] == "Error: it broke"
    assert told["urls"]["page"] == f"https://example.org/cut/jobs/{job.id}"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (204, MessageReport(sent=1)),
        (302, MessageReport(given_up=1)),
        (404, MessageReport(given_up=1)),
        (429, MessageReport(put_off=1)),
        (503, MessageReport(put_off=1)),
    ],
)
def test_answers_are_heeded_and_redirects_are_not_followed(
    receiver: Receiver,
    runtime: Runtime,
    make: Callable[[str], Job],
    status: int,
    expected: MessageReport,
) -> None:
    make(receiver.url)
    receiver.status = status
    receiver.location = f"http://127.0.0.1:{receiver.server_port}/elsewhere"
    assert deliver(runtime, [transport(runtime)]) == expected
    assert len(receiver.calls) == 1


def test_nobody_there_is_tried_again(runtime: Runtime, make: Callable[[str], Job]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    make(f"http://127.0.0.1:{port}/")
    assert deliver(runtime, [transport(runtime)]) == MessageReport(put_off=1)


def test_who_never_answers_is_left_after_a_time(
    runtime: Runtime, make: Callable[[str], Job]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        make(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        settings = WebhooksConfig(
            enabled=True, secret=SECRET, allow_http=True, allow_private=True, timeout_s=0.2
        )
        assert deliver(runtime, [transport(runtime, settings)]) == MessageReport(put_off=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254"])
def test_what_is_inside_is_never_called(
    receiver: Receiver, runtime: Runtime, make: Callable[[str], Job], host: str
) -> None:
    make(f"http://{host}:{receiver.server_port}/")
    settings = WebhooksConfig(enabled=True, secret=SECRET, allow_http=True)
    assert deliver(runtime, [transport(runtime, settings)]) == MessageReport(given_up=1)
    assert receiver.calls == []


@pytest.mark.parametrize("url", ["http://example.org/", "ftp://example.org/", "https://u@e.org/",
                                 "https:///x", "nonsense", ""])  # fmt: skip
def test_only_https_addresses_are_called(
    runtime: Runtime, make: Callable[[str], Job], url: str
) -> None:
    make(url)
    settings = WebhooksConfig(enabled=True, secret=SECRET, allow_private=True)
    assert deliver(runtime, [transport(runtime, settings)]).sent == 0


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("8.8.8.8", False), ("2606:4700::1111", False), ("127.0.0.1", True), ("10.1.2.3", True),
        ("192.168.0.1", True), ("172.16.0.1", True), ("169.254.169.254", True), ("0.0.0.0", True),
        ("100.64.0.1", True), ("224.0.0.1", True), ("::1", True), ("fe80::1", True),
        ("fc00::1", True), ("::ffff:127.0.0.1", True), ("::ffff:8.8.8.8", False),
        ("64:ff9b::7f00:1", True), ("2002:7f00:1::", True), ("::", True),
    ],
)  # fmt: skip
def test_which_addresses_are_inside(address: str, inside: bool) -> None:
    assert is_inside(address) is inside


def test_a_name_that_leads_inside_is_refused() -> None:
    with pytest.raises(Undeliverable, match=r"localhost has the address .*, which is not public"):
        resolve("localhost", 80, allow_private=False)
    assert resolve("127.0.0.1", 80, allow_private=True) == ("127.0.0.1",)
