"""Errors of the UWS server; each class is a DALI label, an HTTP status and a failure kind.

::

    UWSError                        Error                500
     |- UsageError                  UsageError           400
     |   |- MultiValuedParamNotSupported                 400
     |   |- NotFoundError           UsageError           404
     |   |- WrongPhaseError         UsageError           403
     |   |- TooLargeError           UsageError           413
     |   `- TooManyError            UsageError           429  (Retry-After)
     |- AuthenticationError         AuthenticationError  401
     |- AuthorizationError          AuthorizationError   403
     |- TransientError              ServiceUnavailable   503  (Retry-After)
     `- FatalError                  Error                500

Work fails for three kinds of reasons. The request is wrong (`UsageError`). A resource is
unavailable for a time (`TransientError`): the work is tried again. The program has a fault
(`FatalError` and every other exception): operators find it in the log. `JobStopped` is not an
error: it signals that a job was aborted or deleted during its work. It derives from BaseException
so that no `except Exception` catches it. `storage_error` sorts the errors of disks and file
servers.
"""

import errno
import os
from typing import ClassVar

from typing_extensions import override

__all__ = [
    "TRANSIENT_ERRNOS",
    "AuthenticationError",
    "AuthorizationError",
    "FatalError",
    "JobStopped",
    "MultiValuedParamNotSupported",
    "NotFoundError",
    "TooLargeError",
    "TooManyError",
    "TransientError",
    "UWSError",
    "UsageError",
    "WrongPhaseError",
    "storage_error",
]


class UWSError(Exception):
    """Base of all errors that clients see."""

    label: ClassVar[str] = "Error"
    status: ClassVar[int] = 500
    retry_after_s: ClassVar[int | None] = None
    is_transient: ClassVar[bool] = False

    @override
    def __str__(self) -> str:
        """Text of the error, beginning with its DALI label (SODA 1.0, 5.2)."""
        text = super().__str__()
        return f"{self.label}: {text}" if text else self.label


class UsageError(UWSError):
    """The request is wrong; the text says what was found, what is allowed, and where."""

    label = "UsageError"
    status = 400


class MultiValuedParamNotSupported(UsageError):
    """A parameter was repeated that takes one value."""

    label = "MultiValuedParamNotSupported"


class NotFoundError(UsageError):
    """No such job, result or other resource."""

    status = 404


class WrongPhaseError(UsageError):
    """The job's phase does not allow the request."""

    status = 403


class TooLargeError(UsageError):
    """The request, or its result, exceeds a limit, which the text names."""

    status = 413


class TooManyError(UsageError):
    """Too many jobs or requests at once; a later request will succeed."""

    status = 429
    retry_after_s = 30


class AuthenticationError(UWSError):
    """The client must authenticate."""

    label = "AuthenticationError"
    status = 401


class AuthorizationError(UWSError):
    """The job belongs to another owner."""

    label = "AuthorizationError"
    status = 403


class TransientError(UWSError):
    """A resource is temporarily unavailable; a retry will help."""

    label = "ServiceUnavailable"
    status = 503
    retry_after_s = 10
    is_transient = True


class FatalError(UWSError):
    """The work cannot be done; a person must look into it."""


class JobStopped(BaseException):
    """The job was aborted, ended or deleted: the worker stops its work immediately."""


TRANSIENT_ERRNOS = frozenset(
    {
        # no room: disk, quota; handles or memory of this host
        *(errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
        # disk or file server unavailable
        *(errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
    }
)
"""Transient error numbers of reading and writing files."""

_STORAGE_ERRNOS = TRANSIENT_ERRNOS | {errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
"""For files of jobs also: files too large for the disk's limit or not writable, until an operator
fixes it. Not EEXIST and ENOTDIR: a file in place of a folder is a bug, or permanent."""


def storage_error(error: OSError) -> TransientError | None:
    """Return the transient error for files that cannot be read or written now.

    Returns
    -------
    TransientError or None
        None for another kind of error: a missing file, a client that disconnected.
    """
    if error.errno not in _STORAGE_ERRNOS:
        return None
    # Without the file's name, which would reveal folders of the server.
    return TransientError(f"files cannot be read or written now: {os.strerror(error.errno)}")
