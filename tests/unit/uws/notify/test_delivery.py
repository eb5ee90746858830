"""Messages delivered: once, again where something was away, never for what is not so any more."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from uws.errors import TransientError
from uws.messages import Message, Policy, TransportUnavailable, Trigger, Undeliverable
from uws.models import Job, Parameter, Phase
from uws.notify.delivery import MessageReport, deliver
from uws.runtime import Runtime
from uws.service import JobService


class Recorder:
    """A transport that remembers what it carried, and fails as it is told."""

    def __init__(self, *failures: Exception, wanted: bool = True) -> None:
        self.policy = Policy("told", "EMAIL", Trigger.ENDED, retry_pause_s=60, retry_for_s=600)
        self.carried: list[str] = []
        self._failures = list(failures)
        self._is_wanted = wanted

    def wants(self, job: Job) -> bool:
        return self._is_wanted and bool(job.id)

    def send(self, job: Job, message: Message) -> None:
        assert message.job_id == job.id
        if self._failures:
            raise self._failures.pop(0)
        self.carried.append(message.id)


@pytest.fixture
def end(runtime: Runtime) -> Callable[[], Job]:
    """Give what makes a job with an address that has ended."""
    service = JobService(runtime)

    def make() -> Job:
        job = service.create("", [Parameter("EMAIL", "me@example.org")], job_type="toy")
        return service.abort("", job.id)

    return make


def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def test_each_job_is_told_of_once(runtime: Runtime, end: Callable[[], Job]) -> None:
    jobs, transport = [end(), end()], Recorder()
    assert deliver(runtime, [transport], now()) == MessageReport(sent=2)
    assert deliver(runtime, [transport], now()) == MessageReport()
    assert {name.split(".")[1] for name in transport.carried} == {job.id for job in jobs}


def test_what_may_be_taken_later_is_tried_again_with_growing_pauses(
    runtime: Runtime, end: Callable[[], Job], caplog: pytest.LogCaptureFixture
) -> None:
    job = end()
    transport = Recorder(TransientError("full"), TransientError("full"))
    start = now()
    with caplog.at_level(logging.WARNING):
        assert deliver(runtime, [transport], start) == MessageReport(put_off=1)
    assert job.id in {getattr(record, "job_id", "") for record in caplog.records}
    for seconds, expected in ((59, 0), (60, 1), (179, 0)):
        report = deliver(runtime, [transport], start + timedelta(seconds=seconds))
        assert report.put_off == expected, seconds
    assert deliver(runtime, [transport], start + timedelta(seconds=180)) == MessageReport(sent=1)
    assert len(transport.carried) == 1


def test_after_a_time_it_is_given_up(runtime: Runtime, end: Callable[[], Job]) -> None:
    end()
    transport = Recorder(*[TransientError("full")] * 9)
    start = now()
    reports = [deliver(runtime, [transport], start + timedelta(seconds=60 * n)) for n in range(11)]
    assert sum(report.given_up for report in reports) == 1
    assert sum(report.sent for report in reports) == 0


def test_what_is_refused_for_good_is_given_up_at_once(
    runtime: Runtime, end: Callable[[], Job]
) -> None:
    end()
    transport = Recorder(Undeliverable("no such user"))
    assert deliver(runtime, [transport], now()) == MessageReport(given_up=1)
    assert deliver(runtime, [transport], now() + timedelta(hours=1)) == MessageReport()


def test_while_the_transport_is_away_no_other_message_is_tried(
    runtime: Runtime, end: Callable[[], Job]
) -> None:
    for _ in range(3):
        end()
    transport = Recorder(TransportUnavailable("nobody listens"))
    assert deliver(runtime, [transport], now()) == MessageReport(put_off=1)
    assert deliver(runtime, [transport], now()) == MessageReport(sent=2)


def test_a_bug_holds_up_nobody_else(
    runtime: Runtime, end: Callable[[], Job], caplog: pytest.LogCaptureFixture
) -> None:
    end(), end()
    transport = Recorder(KeyError("a slip"))
    assert deliver(runtime, [transport], now()) == MessageReport(sent=1, put_off=1)
    assert "a slip" in caplog.text


def test_what_is_not_so_any_more_is_dropped(runtime: Runtime, end: Callable[[], Job]) -> None:
    job, transport = end(), Recorder(TransientError("later"))
    start = now()
    deliver(runtime, [transport], start)
    runtime.store.move(job.id, Phase.ARCHIVED, among={Phase.ABORTED})
    assert deliver(runtime, [transport], start + timedelta(hours=1)) == MessageReport(dropped=1)
    end()
    assert deliver(runtime, [Recorder(wanted=False)], now()) == MessageReport(dropped=1)


def test_a_job_that_was_deleted_is_not_told_of(runtime: Runtime, end: Callable[[], Job]) -> None:
    job, transport = end(), Recorder(TransientError("later"))
    deliver(runtime, [transport], now())
    JobService(runtime).delete("", job.id)
    assert deliver(runtime, [transport], now() + timedelta(hours=1)) == MessageReport()
