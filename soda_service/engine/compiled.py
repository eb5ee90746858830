"""The engine's compiled loops, if they were built.

They are optional: without a compiler, the service installs and works all the same, only slower.
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
"""The module of compiled loops; None if it was not built or is disabled."""


def leave_out(reason: str) -> None:
    """Disable the compiled loops. Call this when a process starts, before it reads pixels.

    Parameters
    ----------
    reason
        Shown by `engine_path`.
    """
    global native, _reason
    native, _reason = None, reason


def engine_path() -> str:
    """Return which loops are used: `compiled`, or `pure Python` and the reason."""
    return "compiled" if native else f"pure Python ({_reason})"
