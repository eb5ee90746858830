"""The supervisor: start the parts of the embedded service in order, and stop them.

Everything it runs is passed as `ServiceParts`; `service_parts` returns the service's own.
"""

import gc
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from soda_service.config.model import Config
from soda_service.serve import queue_server, web
from soda_service.serve.lifetime import adopt_orphans
from soda_service.serve.processes import SIGNALS
from soda_service.serve.runtime_folder import claim_data
from soda_service.serve.tree import ProcessTree, StartFailed, StopRequested

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["ServiceParts", "serve", "service_parts"]

_log = logging.getLogger(__name__)

_QUEUE = "queue"

_FOREVER_S = 3600.0

# Order of stopping, the highest first: no new requests, then no more work, then no queue.
_WEB_RANK, _WORK_RANK, _QUEUE_RANK = 3, 2, 1

# Seconds allowed for stopping. gunicorn ends requests itself after 3 s. The next start takes up
# what a killed worker leaves, so there is no need to wait for the end of a long chunk.
_WEB_GRACE_S, _WORK_GRACE_S, _QUEUE_GRACE_S = 5.0, 5.0, 3.0

_QUEUE_LIMIT_S = 15.0
_STORE_LIMIT_S = 3600.0  # migrations of a large store take their time
_WEB_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """The code that the processes run."""

    preload: Callable[[], None]
    """Called once before processes are forked: load what they share."""

    prepare: Callable[[Config], None]
    """Upgrade the job store, in a process of its own, so that no connection is inherited."""

    make_app: Callable[[Config], "WSGIApplication"]
    """Make the web application; called in each web process."""

    work: Callable[[Config], None]
    """Run a worker until SIGINT or SIGTERM."""

    sweep: Callable[[Config], None]
    """Run the sweeper until SIGINT or SIGTERM."""


def service_parts() -> ServiceParts:
    """Return the parts of the cutout service."""
    from soda_service import worker
    from soda_service.app import create_app

    return ServiceParts(worker.preload, worker.prepare, create_app, worker.run, worker.run_sweep)


def serve(
    config: Config, parts: ServiceParts, *, workers: int, announce: Callable[[str], None]
) -> None:
    """Run the whole service until SIGINT, SIGTERM or SIGHUP.

    Must be called in the main thread of a process without other threads, since it forks.

    Parameters
    ----------
    workers
        Number of worker processes.
    announce
        Called with `ready http://HOST:PORT` once requests are answered.

    Raises
    ------
    ConfigError
        If another server has the data directory, or a setting prevents the start.
    StartFailed
        If a part does not start; all others were stopped again.
    OSError
        If the address cannot be used, or the data directory cannot be written to.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    adopt_orphans()
    tree = ProcessTree()
    with claim_data(config.data_folder()) as folder, closing(web.listen(config.web)) as listener:
        try:
            config = _start_queue(tree, config, folder)
            _load(parts)
            run = partial(_without, listener, parts.prepare, config)
            tree.run_once("job store", run, limit_s=_STORE_LIMIT_S)
            for number in range(1, workers + 1):
                run = partial(_without, listener, parts.work, config)
                tree.start(f"worker-{number}", run, rank=_WORK_RANK, grace_s=_WORK_GRACE_S)
            run = partial(web.run_web, config, parts.make_app, listener=listener, folder=folder)
            tree.start("web", run, rank=_WEB_RANK, grace_s=_WEB_GRACE_S)
            run = partial(_without, listener, parts.sweep, config)
            tree.start("sweeper", run, rank=_WORK_RANK, grace_s=_WORK_GRACE_S)
            address = web.address_of(listener)
            probe = web.Probe(address, f"{config.web.path_prefix}/availability")
            tree.wait_until(probe.is_up, name="web", limit_s=_WEB_LIMIT_S)
            announce(f"ready http://{address}{config.web.path_prefix}")
            while True:
                tree.watch(_FOREVER_S)
        except StopRequested as stop:
            _log.info("stopping on %s", stop)
        finally:
            tree.stop()


def _start_queue(tree: ProcessTree, config: Config, folder: Path) -> Config:
    """Start a queue server unless one is configured; return the settings that name it."""
    if config.queue.url:
        return config
    program = queue_server.find_server()
    run = partial(queue_server.run_server, program, folder)
    tree.start(_QUEUE, run, rank=_QUEUE_RANK, grace_s=_QUEUE_GRACE_S)
    is_up = partial(queue_server.is_answering, folder)
    try:
        tree.wait_until(is_up, name=_QUEUE, limit_s=_QUEUE_LIMIT_S)
    except StartFailed as error:
        words = queue_server.last_words(folder)
        raise StartFailed(f"{error}; log of {program}: {words}" if words else str(error)) from error
    return replace(config, queue=replace(config.queue, url=queue_server.url_of(folder)))


def _load(parts: ServiceParts) -> None:
    parts.preload()
    # Everything loaded now is shared by all children; the collector must not touch (copy) it.
    gc.collect()
    gc.freeze()


def _without(listener: socket.socket, run: Callable[[Config], None], config: Config) -> None:
    """Run a part that must not hold the web's socket."""
    listener.close()
    run(config)
