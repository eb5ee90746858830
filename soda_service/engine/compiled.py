"""The engine's compiled loops, where they were built.

They are optional: a machine without compiler installs the service all the same, and everything
works without them, only slower.
"""

import importlib
from types import ModuleType

__all__ = ["engine_path", "leave_out", "native"]


def _built() -> tuple[ModuleType | None, str]:
    try:
        return importlib.import_module("soda_service.engine._native"), ""
    except ImportError as error:
        return None, str(error)


native, _reason = _built()
"""The module of compiled loops; None where it was not built or is left out."""


def leave_out(reason: str) -> None:
    """Work without the compiled loops from now on: for what starts a process, before it reads.

    Parameters
    ----------
    reason
        Shown by `engine_path`.
    """
    global native, _reason
    native, _reason = None, reason


def engine_path() -> str:
    """Return which loops are used: `compiled`, or `pure Python` and why."""
    return "compiled" if native else f"pure Python ({_reason})"
