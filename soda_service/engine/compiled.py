"""The engine's compiled loops, where they were built.

They are optional: a machine without compiler installs the service all the same, and everything
works without them, only slower.
"""

import importlib
import os
from types import ModuleType

__all__ = ["engine_path", "native"]

_SWITCH = "SODA_PURE_PYTHON"


def _load() -> tuple[ModuleType | None, str]:
    if os.environ.get(_SWITCH, "0") not in {"", "0"}:
        return None, f"{_SWITCH} is set"
    try:
        return importlib.import_module("soda_service.engine._native"), ""
    except ImportError as error:
        return None, str(error)


native, _reason = _load()
"""The module of compiled loops; None where it was not built or `SODA_PURE_PYTHON=1` is set."""


def engine_path() -> str:
    """Tell which loops are used: `compiled`, or `pure Python` and why."""
    return "compiled" if native else f"pure Python ({_reason})"
