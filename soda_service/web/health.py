"""The checks behind `/availability`: whether the service reaches what it depends on.

A check returns a short description of the problem, or an empty text. It changes nothing.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from soda_service.web.served import ServedReleases
from soda_service.web.services import Services
from uws.errors import UWSError
from uws.files import JobFiles
from uws.store import JobStore

__all__ = ["Check", "helpful_checks", "needed_checks"]

Check = Callable[[], str]


def needed_checks(services: Services) -> Mapping[str, Check]:
    """Return the checks that must pass for the service to work, by name."""
    return {
        "job store": lambda: _check_store(services.runtime.store),
        "job files": lambda: _check_files(services.runtime.files),
    }


def helpful_checks(services: Services) -> Mapping[str, Check]:
    """Return the checks that may fail for a while, by name."""
    return {
        "queue": lambda: _check_queue(services.queue_status),
        "releases": lambda: _check_releases(services.served),
    }


def _check_store(store: JobStore) -> str:
    try:
        store.find.phase_counts()
    except UWSError as error:
        return str(error)
    return ""


def _check_queue(status: Callable[[], Mapping[str, float]]) -> str:
    try:
        workers = status()["workers"]
    except UWSError:
        return "not reachable; jobs are accepted and queued later"
    return "" if workers else "no worker is running; jobs wait in the queue"


def _check_files(files: JobFiles) -> str:
    try:
        files.check()
    except OSError as error:  # the full text may contain paths of the server
        return os.strerror(error.errno) if error.errno else "not reachable"
    return ""


def _check_releases(served: ServedReleases) -> str:
    usable = served.all()
    missing = [r.name for r in usable if "://" not in r.root and not Path(r.root).is_dir()]
    if missing:
        return f"data of {', '.join(missing)} not reachable"
    return "" if usable else "no release is ready for cutouts"
