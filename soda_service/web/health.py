"""Whether what the service stands on can be reached: the checks of `/availability`.

A check returns what is wrong in a few words, or nothing. It only looks and changes nothing.
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
    """Return the checks of what the service cannot do without, by name."""
    return {
        "job store": lambda: _check_store(services.runtime.store),
        "job files": lambda: _check_files(services.runtime.files),
    }


def helpful_checks(services: Services) -> Mapping[str, Check]:
    """Return the checks of what the service can be without for a while, by name."""
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
        return "not reachable; jobs are accepted and sent later"
    return "" if workers else "no worker is running; jobs wait"


def _check_files(files: JobFiles) -> str:
    try:
        files.check()
    except OSError as error:  # its own text may name folders of the server
        return os.strerror(error.errno) if error.errno else "not reachable"
    return ""


def _check_releases(served: ServedReleases) -> str:
    usable = served.all()
    missing = [r.name for r in usable if "://" not in r.root and not Path(r.root).is_dir()]
    if missing:
        return f"data of {', '.join(missing)} not reachable"
    return "" if usable else "none can be cut from"
