"""What each process of the service sets up first: its log, and which loops its engine runs.

Imports what it needs when called: commands name it, and `--help` must answer at once.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soda_service.config.model import LogConfig

__all__ = ["choose_loops", "start_process"]

_SWITCH = "SODA_PURE_PYTHON"


def start_process(log: "LogConfig") -> None:
    """Set up the log and the engine; again, in a process that was forked, changes nothing."""
    from soda_service.logs import set_up_logging

    set_up_logging(log)
    choose_loops()


def choose_loops(environ: Mapping[str, str] = os.environ) -> None:
    """Leave the engine's compiled loops out where `SODA_PURE_PYTHON` is set and not 0."""
    from soda_service.engine import compiled

    if environ.get(_SWITCH, "0") not in {"", "0"}:
        compiled.leave_out(f"{_SWITCH} is set")
