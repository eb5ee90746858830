import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from soda_service.config.model import LogConfig
from soda_service.logs import set_up_logging
from tests.logging_state import restored_logging


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    with restored_logging():
        yield


def test_text_lines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogConfig())
    log = logging.getLogger("uws.work.steps")
    log.debug("not shown")
    log.info("chunk %s", "done", extra={"job_id": "abc", "chunk": 0, "other": 1})
    out, err = capsys.readouterr()
    assert out == ""
    time, level, source, rest = err.split(maxsplit=3)
    assert (level, rest) == ("INFO", "chunk done job_id=abc chunk=0\n")
    assert source.startswith("uws.work.steps[")
    assert time.endswith("Z")


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogConfig(level="debug", format="json"))
    log = logging.getLogger("soda")
    log.debug("two\nlines", extra={"owner": "me", "elapsed_s": 0.5})
    try:
        int("oh")
    except ValueError:
        log.exception("failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("Z")
    assert first.pop("process") > 0
    assert first == {
        "level": "DEBUG",
        "logger": "soda",
        "message": "two\nlines",
        "owner": "me",
        "elapsed_s": 0.5,
    }
    assert second["exception"].endswith("base 10: 'oh'")


def test_set_up_twice_is_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogConfig())
    set_up_logging(LogConfig())
    logging.getLogger("soda").warning("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_libraries_that_talk_much_are_heard_from_warning_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging(LogConfig())
    logging.getLogger("urllib3.connectionpool").info("a connection")
    logging.getLogger("urllib3.connectionpool").warning("a worry")
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == ["a worry"]


def test_warnings_go_to_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogConfig())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in capsys.readouterr().err
