"""Translation of file errors into the errors of the domain."""

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from soda_service.errors import SourceUnavailable, TileUnreadable
from uws.errors import TRANSIENT_ERRNOS

__all__ = ["failures_explained"]


@contextmanager
def failures_explained(label: str, root: str = "") -> Iterator[None]:
    """Translate any error of reading a file into an error of the domain.

    Parameters
    ----------
    label
        Name of the file in messages.
    root
        Directory that holds the file, if known. If it is gone, the file is not to blame.

    Raises
    ------
    TileUnreadable
        For errors of the file itself.
    SourceUnavailable
        For temporary failures.
    """
    try:
        yield
    except TileUnreadable as error:
        if str(error).startswith(f"{label}: "):
            raise
        raise TileUnreadable(f"{label}: {error}") from error
    except OSError as error:
        if error.errno in TRANSIENT_ERRNOS:
            raise SourceUnavailable(f"{label}: {os.strerror(error.errno)}") from error
        if error.errno == errno.ENOENT:
            if root and _is_gone(root):
                raise SourceUnavailable("the release's root directory is gone") from error
            raise TileUnreadable(f"{label}: no such file") from error
        reason = error.strerror or str(error).partition(". ")[0]
        raise TileUnreadable(f"{label}: {reason}") from error
    except (EOFError, zlib.error, ValueError) as error:
        raise TileUnreadable(f"{label}: damaged: {error}") from error


def _is_gone(root: str) -> bool:
    """Return whether a root is missing, or is the empty folder left by an unmounted disk."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except OSError:
        return True
