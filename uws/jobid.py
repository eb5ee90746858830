"""Ids of jobs. Imports errors only."""

import re
import uuid

from uws.errors import NotFoundError

__all__ = ["check_job_id", "new_job_id"]

_JOB_ID = re.compile("[0-9a-f]{32}")


def new_job_id() -> str:
    """Make an id that nobody guesses: 32 hexadecimal digits, one URL segment (UWS-1)."""
    return uuid.uuid4().hex


def check_job_id(job_id: str) -> None:
    """Refuse what cannot be a job's id, before anything else is asked about it.

    Raises
    ------
    NotFoundError
        When it was not made by `new_job_id`.
    """
    if not _JOB_ID.fullmatch(job_id):
        raise NotFoundError(f"there is no job {job_id}")
