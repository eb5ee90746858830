"""Bugs of job types in the log, under a reference that clients see; repeats are not logged."""

import logging
import secrets
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Bug", "BugLog", "log_bug"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Bug:
    """An exception of a job type, however often it was raised."""

    reference: str
    """Reference of its traceback in the log."""

    is_lasting: bool = False
    """Whether it used up all tries of an item: then trying again will not help the next item
    either."""


class BugLog:
    """The bugs met in one piece of work: each has one traceback in the log, then a line a time.

    Two exceptions of the same type from the same line of code are the same bug.
    """

    def __init__(self) -> None:
        self._bugs: dict[tuple[type[Exception], str, int | None], Bug] = {}

    def note(self, error: Exception, message: str, extra: Mapping[str, object]) -> Bug:
        """Log the exception being handled; return its bug."""
        place = traceback.extract_tb(error.__traceback__, limit=-1)[0]
        key = type(error), place.filename, place.lineno
        bug = self._bugs.get(key)
        if bug is None:
            bug = self._bugs[key] = Bug(log_bug(message, extra))
        else:
            text = "%s, by the bug of reference %s: %r"
            _log.warning(text, message, bug.reference, error, extra=dict(extra))
        return bug


def log_bug(message: str, extra: Mapping[str, object], error: BaseException | None = None) -> str:
    """Log an exception, else the one being handled, under a new reference, which is returned."""
    reference = secrets.token_hex(6)
    text = "%s, reference %s"
    _log.error(text, message, reference, exc_info=error or True, extra=dict(extra))
    return reference
