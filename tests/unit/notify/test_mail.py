"""Mails as a real mail server gets them: their words, and what its refusals mean."""

import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soda_service.config.model import Config, MailConfig, ServiceConfig, WebConfig
from soda_service.notify.mail import ended_mail, warning_mail
from tests.listeners import Box, mail_server
from tests.uws_runtime import RecordingExecutor, open_runtime
from uws.models import ErrorSummary, Job, Parameter, Phase
from uws.notify.delivery import MessageReport, deliver
from uws.notify.outbox import Message
from uws.runtime import Runtime
from uws.service import JobService


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def config(box: Box) -> Iterator[Config]:
    with mail_server(box) as port:
        yield Config(
            service=ServiceConfig(title="Sky & cutouts", contact="help@example.org"),
            web=WebConfig(base_url="https://example.org/cut/"),
            mail=MailConfig(
                host="127.0.0.1", port=port, tls="none", sender="Cutouts <cut@example.org>"
            ),
        )


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return open_runtime(tmp_path, RecordingExecutor())


@pytest.fixture
def make(runtime: Runtime) -> Callable[..., Job]:
    """Give what makes a job that is in ERROR."""

    def _make(address: str = "me@example.org", *, name: str = "Night 1") -> Job:
        parameters = [Parameter("EMAIL", address), Parameter("JOBNAME", name)]
        job = JobService(runtime).create("", parameters, job_type="toy")
        error = ErrorSummary("Error: it broke & burnt")
        runtime.store.move(job.id, Phase.ERROR, among={Phase.PENDING}, error=error)
        return runtime.store.get(job.id)

    return _make


def test_a_mail_says_what_became_of_a_job(
    config: Config, runtime: Runtime, box: Box, make: Callable[..., Job]
) -> None:
    job = make()
    report = deliver(runtime, [ended_mail(config, runtime)])
    assert (report, box.recipients) == (MessageReport(sent=1), ["me@example.org"])
    (mail,) = box.mails
    assert mail["From"] == "Cutouts <cut@example.org>"
    assert mail["Subject"] == "[Sky & cutouts] Failed: Night 1"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].startswith(f"<mail-ended.{job.id}.")
    assert mail["Message-ID"].endswith("@example.org>")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    for words in (f"https://example.org/cut/jobs/{job.id}", "Error: it broke & burnt", "Night 1"):
        assert words in text.get_content()
    assert "Error: it broke &amp; burnt" in html.get_content()
    assert deliver(runtime, [ended_mail(config, runtime)]) == MessageReport()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("550 no such user", MessageReport(given_up=1)),
        ("451 come back later", MessageReport(put_off=1)),
        ("421 closing", MessageReport(put_off=1)),
    ],
)
def test_refusals_are_for_good_or_for_the_moment(
    config: Config,
    runtime: Runtime,
    box: Box,
    make: Callable[..., Job],
    answer: str,
    expected: MessageReport,
) -> None:
    make()
    box.answer = answer
    assert deliver(runtime, [ended_mail(config, runtime)]) == expected
    assert box.mails == []


def test_a_server_that_is_away_is_tried_again(
    config: Config, runtime: Runtime, make: Callable[..., Job], caplog: pytest.LogCaptureFixture
) -> None:
    job = make()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    away = replace(config, mail=replace(config.mail, port=port, user="me", password="geheim"))
    with caplog.at_level(logging.DEBUG):
        assert deliver(runtime, [ended_mail(away, runtime)]) == MessageReport(put_off=1)
    assert {getattr(record, "job_id", job.id) for record in caplog.records} == {job.id}
    assert "geheim" not in caplog.text


@pytest.mark.parametrize(
    "address", ["", "x", "a@b\r\nBcc: c@d.example", "a@b.example,c@d.example", "<a@b.example>"]
)
def test_what_is_no_address_gets_no_mail(
    config: Config, runtime: Runtime, box: Box, make: Callable[..., Job], address: str
) -> None:
    make(address)
    report = deliver(runtime, [ended_mail(config, runtime)])
    assert (report.sent, box.mails) == (0, [])


def test_no_name_can_add_a_header(
    config: Config, runtime: Runtime, box: Box, make: Callable[..., Job]
) -> None:
    make(name="evil\r\nBcc: you@example.org\r\n\r\nhello <script>é")
    deliver(runtime, [ended_mail(config, runtime)])
    (mail,) = box.mails
    assert mail["Bcc"] is None
    assert box.recipients == ["me@example.org"]
    assert mail["Subject"].endswith("Failed: evil Bcc: you@example.org hello <script>é")
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


def test_mail_goes_to_the_domains_that_it_may_go_to(
    config: Config, runtime: Runtime, box: Box, make: Callable[..., Job]
) -> None:
    for address in ("a@example.org", "b@astro.example.org", "c@example.com", "d@notexample.org"):
        make(address)
    only = replace(config, mail=replace(config.mail, recipients="example.org, example.edu"))
    report = deliver(runtime, [ended_mail(only, runtime)])
    assert report == MessageReport(sent=2, given_up=2)
    assert sorted(box.recipients) == ["a@example.org", "b@astro.example.org"]


def test_who_stops_a_job_himself_is_not_told(config: Config, runtime: Runtime, box: Box) -> None:
    service = JobService(runtime)
    job = service.create("", [Parameter("EMAIL", "me@example.org")], job_type="toy")
    service.abort("", job.id)
    assert deliver(runtime, [ended_mail(config, runtime)]) == MessageReport(dropped=1)
    assert box.mails == []


def test_a_warning_has_a_link_that_keeps_the_results(
    config: Config, runtime: Runtime, box: Box
) -> None:
    service = JobService(runtime)
    job = service.create("", [Parameter("EMAIL", "me@example.org")], job_type="toy")
    carrier = warning_mail(config, runtime)
    store = runtime.store
    store.move(job.id, Phase.ABORTED, among={Phase.PENDING})
    message = Message(job.id, "mail-expiring", job.destruction, 1, datetime.now(UTC))
    carrier.carry(store.get(job.id), message)
    (mail,) = box.mails
    text = mail.get_body(("plain",))
    assert text is not None
    assert "https://example.org/cut/keep/" in text.get_content()
    assert f"{job.destruction:%Y-%m-%d}" in mail["Subject"]
