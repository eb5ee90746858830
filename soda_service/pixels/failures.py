"""What goes wrong with files, as errors of the domain."""

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from soda_service.errors import SourceUnavailable, TileUnreadable
from uws.errors import AWAY

__all__ = ["failures_explained"]


@contextmanager
def failures_explained(label: str, root: str = "") -> Iterator[None]:
    """Turn whatever goes wrong with a file into the domain's errors.

    Parameters
    ----------
    label
        What messages call the file.
    root
        Directory below which it lies, if known: when that is gone, it is no fault of the file.

    Raises
    ------
    TileUnreadable
        For what is wrong with the file.
    SourceUnavailable
        For what is the moment's.
    """
    try:
        yield
    except TileUnreadable as error:
        if str(error).startswith(f"{label}: "):
            raise
        raise TileUnreadable(f"{label}: {error}") from error
    except OSError as error:
        if error.errno in AWAY:
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
    """Whether a root is not there, or is the empty folder that an unmounted disk leaves."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except OSError:
        return True
