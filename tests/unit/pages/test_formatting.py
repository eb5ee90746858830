"""Numbers, sizes and times as pages write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from soda_service.pages.formatting import duration, instant, moment, number, phase_word, size
from uws.models import Phase


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1234567, "1\u202f234\u202f567"), (-1000, "-1\u202f000")],
)
def test_number(value: int, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0\xa0bytes"),
        (999, "999\xa0bytes"),
        (1000, "1\xa0kB"),
        (6_084_000, "6.08\xa0MB"),
        (999_499, "999\xa0kB"),
        (999_500, "1\xa0MB"),
        (2_500_000_000, "2.5\xa0GB"),
        (3 * 10**15, "3000\xa0TB"),
    ],
)
def test_size(value: int | None, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0.0\xa0s"),
        (9.94, "9.9\xa0s"),
        (9.96, "10\xa0s"),
        (59.6, "1\xa0min"),
        (61, "1\xa0min 1\xa0s"),
        (3600, "1\xa0h"),
        (7505, "2\xa0h 5\xa0min"),
        (90_061, "1\xa0d 1\xa0h"),
    ],
)
def test_duration(value: float | None, text: str) -> None:
    assert duration(value) == text


def test_times_are_told_in_utc() -> None:
    when = datetime(2026, 11, 23, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    assert (moment(when), instant(when)) == ("2026-11-22 23:02:03 UTC", "2026-11-22T23:02:03Z")
    assert (moment(None), instant(None)) == ("", "")
    assert moment(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00 UTC"


def test_every_phase_has_a_word() -> None:
    words = [phase_word(phase) for phase in Phase]
    assert len(set(words)) == len(Phase)
