"""The log on standard error: text lines, or JSON objects for log collectors; set up once.

Fields that a log call passes in `extra` (`job_id`, `chunk`, `owner`, `elapsed_s`) are part of both
forms.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from typing_extensions import override

from soda_service.config.model import LogConfig

__all__ = ["set_up_logging"]

_FIELDS = ("job_id", "chunk", "owner", "elapsed_s")

_QUIET = ("alembic", "rq", "urllib3", "PIL")
"""Libraries that log every step at INFO; the service logs these steps itself."""


def set_up_logging(config: LogConfig) -> None:
    """Send the process's log to standard error as configured, replacing earlier settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if config.format == "json" else _TextFormatter())
    root = logging.getLogger()
    for former in root.handlers[:]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(config.level.upper())
    for name in _QUIET:
        quiet = logging.INFO if config.level == "debug" else logging.WARNING
        logging.getLogger(name).setLevel(max(quiet, root.level))
    logging.captureWarnings(capture=True)


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields_of(record: logging.LogRecord) -> dict[str, object]:
    return {
        name: getattr(record, name) for name in _FIELDS if getattr(record, name, None) is not None
    }


class _TextFormatter(logging.Formatter):
    """`2026-01-01T00:00:00.000Z INFO    uws.work.steps[123]: chunk done job_id=.. chunk=7`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        source = f"{record.name}[{record.process}]"
        fields = "".join(f" {name}={value}" for name, value in _fields_of(record).items())
        line = f"{_time_of(record)} {record.levelname:7} {source}: {record.getMessage()}{fields}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


class _JsonFormatter(logging.Formatter):
    """One JSON object per line; a traceback is the text `exception`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": _time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)
