"""Mails as a real mail server gets them: their words, and what its refusals mean."""

import email
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.errors import MessageError
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soda_service.config.model import Config, MailConfig, ServiceConfig, WebConfig
from soda_service.notify.mail import ended_mail, make_mail, warning_mail
from soda_service.notify.report import job_name
from soda_service.notify.texts import Letter
from tests.listeners import Box, mail_server
from tests.uws_runtime import RecordingExecutor, open_runtime
from uws.messages import Message, Undeliverable
from uws.models import ErrorSummary, Job, Parameter, Phase
from uws.notify.delivery import MessageReport, deliver
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
        ("501 5.1.3 Bad recipient address syntax", MessageReport(given_up=1)),
        ("451 come back later", MessageReport(put_off=1)),
        ("421 closing", MessageReport(put_off=1)),
        (
            "504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname",
            MessageReport(put_off=1),
        ),
        ("554 5.7.1 Relay access denied", MessageReport(put_off=1)),
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


@pytest.mark.parametrize(
    "answer", ["553 5.7.1 Sender address rejected", "530 5.7.0 Must issue a STARTTLS command first"]
)
def test_a_refused_sender_is_tried_again(
    config: Config, runtime: Runtime, box: Box, make: Callable[..., Job], answer: str
) -> None:
    """service F8: the carrier is at fault, no mail is lost (OpenSMTPD 64, dokuwiki smtp 38)."""
    make()
    box.sender_answer = answer
    assert deliver(runtime, [ended_mail(config, runtime)]) == MessageReport(put_off=1)


def test_a_refused_host_name_is_tried_again(
    config: Config, runtime: Runtime, box: Box, make: Callable[..., Job]
) -> None:
    """service F8: `501` to EHLO and HELO (hardware/mailserver 329)."""
    make()
    box.greeting_answer = "501 5.5.2 invalid host name"
    assert deliver(runtime, [ended_mail(config, runtime)]) == MessageReport(put_off=1)


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


HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]
_WHOLE = (
    "Date:_x=0D=0AMessage-ID:_x=0D=0AAuto-Submitted:_x=0D=0AMIME-Version:_1.0=0D=0A"
    "Content-Type:_text/html=0D=0A=0D=0A<b>Log_in_here</b>"
)


@pytest.mark.parametrize("where", ["JOBNAME", "run id"])
@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?Q?x=0D=0ABcc:_evil@x.example=0D=0AX-Evil:_1?=",
        "=?utf-8?Q?x=0ABcc:_evil@x.example?=",
        "=?utf-8?Q?x=0DBcc:_evil@x.example?=",
        "=?utf-8?Q?=0D=0A=0D=0A<b>Log_in_here</b>?=",
        f"=?utf-8?Q?x=0D=0A{_WHOLE}?=",
        "=?UTF-8?B?eA0KQmNjOiBldmlsQHguZXhhbXBsZQ==?=",
        "=?utf-8*en?q?x=0D=0ABcc:_evil@x.example?=",
        "==?utf-8?Q?x=0D=0ABcc:_evil@x.example?=?=",
        "=?u=?utf-8?Q?x=0D=0ABcc:_evil@x.example?=",
        "é =?utf-8?Q?x=0D=0ABcc:_evil@x.example?= é",
        "=?utf-8?Q?a?= =?utf-8?Q?x=0D=0ABcc:_evil@x.example?=",
    ],
)
def test_no_encoded_word_in_a_name_can_add_a_header_or_a_body(
    config: Config, runtime: Runtime, box: Box, name: str, where: str
) -> None:
    parameters = [Parameter("EMAIL", "me@example.org")]
    is_name = where == "JOBNAME"
    parameters += [Parameter("JOBNAME", name)] if is_name else []
    run_id = "" if is_name else name
    job = JobService(runtime).create("", parameters, job_type="toy", run_id=run_id)
    runtime.store.move(job.id, Phase.ERROR, among={Phase.PENDING}, error=ErrorSummary("Error: x"))
    assert deliver(runtime, [ended_mail(config, runtime)]) == MessageReport(sent=1)
    (content,), (mail,) = box.contents, box.mails
    lines = content.partition(b"\r\n\r\n")[0].decode().splitlines()
    assert [line.partition(":")[0] for line in lines if line[0] not in " \t"] == HEADERS
    assert box.recipients == ["me@example.org"]
    assert mail.get_content_type() == "multipart/alternative"
    name = name[:128]  # as long as names are shown
    expected = f"[Sky & cutouts] Failed: {name.replace('=?', '= ?')}"
    assert "".join(mail["Subject"].split()) == "".join(expected.split())
    text = mail.get_body(("plain",))
    assert text is not None
    assert name in text.get_content()


@pytest.mark.parametrize(
    "address",
    [
        "=?utf-8?Q?x=0D=0ABcc=3Ayou=40example.org?=@example.org",
        "a=?utf-8?B?eA0KQmNjOiBldmlsQHguZXhhbXBsZQ==?=@example.org",
    ],
)
def test_no_address_can_add_a_header_or_a_recipient(
    config: Config, runtime: Runtime, box: Box, make: Callable[..., Job], address: str
) -> None:
    make(address)
    report = deliver(runtime, [ended_mail(config, runtime)])
    assert report.put_off == 0
    assert report.sent == len(box.mails)
    assert box.recipients == [address] * report.sent
    for mail in box.mails:
        assert mail.keys() == HEADERS


MESSAGE = Message("j", "mail-ended", datetime(2026, 1, 1, tzinfo=UTC), 1, datetime.now(UTC))


@pytest.mark.parametrize("inside", ["Bcc:_evil@x.example", _WHOLE])
def test_a_mail_with_other_headers_than_its_own_is_never_made(
    inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if a way round the first defence were found.
    monkeypatch.setattr("soda_service.notify.mail._plain", str)
    letter = Letter(f"=?utf-8?Q?x=0D=0A{inside}?=", "text", "html")
    with pytest.raises(Undeliverable, match="the mail cannot be written"):
        make_mail(letter, "a@x.example", "b@x.example", MESSAGE)


@given(st.text(max_size=400))
@example("Ω" * 60 + " " + "é" * 70)
@example("x" * 200)
def test_every_name_makes_a_mail(name: str) -> None:
    given_as = (Parameter("JOBNAME", name),)
    now = datetime.now(UTC)
    job = Job("j", "toy", "", Phase.ERROR, now, now, 0, parameters=given_as)
    subject = f"[Cutouts] Failed: {job_name(job)}"
    mail = make_mail(Letter(subject, "text", "html"), "a@x.example", "b@x.example", MESSAGE)
    assert email.message_from_bytes(mail.as_bytes()).keys() == HEADERS


def test_what_no_mail_can_be_made_of_is_given_up_at_once(
    config: Config,
    runtime: Runtime,
    box: Box,
    make: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise MessageError("folded header contains newline")

    job = make()
    monkeypatch.setattr("soda_service.notify.mail.EmailMessage.as_bytes", refused)
    report = deliver(runtime, [ended_mail(config, runtime)])
    assert (report, box.mails) == (MessageReport(given_up=1), [])
    (record,) = [r for r in caplog.records if getattr(r, "job_id", "") == job.id]
    assert record.levelno == logging.WARNING
    assert "given up after try 1" in record.getMessage()
    assert "folded header contains newline" in record.getMessage()
    assert deliver(runtime, [ended_mail(config, runtime)]) == MessageReport()


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
    transport = warning_mail(config, runtime)
    store = runtime.store
    store.move(job.id, Phase.ABORTED, among={Phase.PENDING})
    message = Message(job.id, "mail-expiring", job.destruction, 1, datetime.now(UTC))
    transport.send(store.get(job.id), message)
    (mail,) = box.mails
    text = mail.get_body(("plain",))
    assert text is not None
    assert "https://example.org/cut/keep/" in text.get_content()
    assert f"{job.destruction:%Y-%m-%d}" in mail["Subject"]
