"""The background processes: RQ workers, and the sweeper with its message delivery.

Each process builds its own `Runtime` from the settings and inherits no open connection.
"""

import importlib
import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from soda_service.config.model import Config
from soda_service.errors import ConfigError
from soda_service.startup import start_process

if TYPE_CHECKING:
    from uws.work.sweep import SweepReport

__all__ = ["preload", "prepare", "run", "run_sweep", "sweep_once"]

_MODULES = (
    "astropy.io.fits",
    "astropy.io.fits.hdu.compressed",
    "astropy.wcs",
    "numpy",
    "PIL.Image",
    "PIL.PngImagePlugin",
    "rq",
    "soda_service.assembly",
    "uws.work.rqworker",
    "uws.work.sweep",
)
"""Modules that jobs need, loaded before the forks: a task then takes 15 ms to start instead of
636 ms."""

_log = logging.getLogger(__name__)

_STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})


def preload() -> None:
    """Load the modules that jobs need, so that forked processes inherit them."""
    # Chunks run in parallel processes, so a BLAS thread pool in each would only compete for cores,
    # and threads do not survive a fork. BLAS reads this variable when numpy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for module in _MODULES:
        importlib.import_module(module)
    from soda_service.engine.colour.methods import METHODS
    from soda_service.formats.deflate import fastest_deflate

    for method in METHODS.values():
        method.load()
    fastest_deflate()


def prepare(config: Config) -> None:
    """Create the job store if there is none, and migrate its schema.

    Raises
    ------
    ConfigError
        If `auth.mode` names no kind of authentication.
    """
    from soda_service.auth import open_authenticator
    from uws.store import open_store

    open_authenticator(config.auth)  # a wrong setting stops the start
    url = config.store_url()
    if config.data:
        config.data.mkdir(parents=True, exist_ok=True)
    store = open_store(url)
    try:
        store.migrate()
    finally:
        store.close()  # `serve` forks afterwards


def run(config: Config, *, burst: bool = False, name: str | None = None) -> None:
    """Run tasks until SIGINT or SIGTERM; the task that is running is finished first.

    Parameters
    ----------
    burst
        Return when the queue is empty.
    name
        Name of the worker, unique within the queue; made from host and process if None.
    """
    start_process(config.log)
    preload()
    from soda_service.assembly import build_parts
    from soda_service.engine.compiled import engine_path
    from uws.work.rqworker import run_worker

    _log.info("decoder of compressed tiles: %s", engine_path())

    parts = build_parts(config)
    releases = parts.holdings.releases
    for release in releases.all():
        # Load the tables before the forks; otherwise every task reads them (0.12 s for 10,169
        # tiles).
        if releases.has_tiles(release):
            with suppress(ConfigError):  # reported when a job uses this release
                releases.index(release)
    run_worker(
        parts.runtime,
        redis_url=config.queue_url(),
        queue_name=config.queue.name,
        burst=burst,
        name=name,
    )


def sweep_once(config: Config) -> "SweepReport":
    """Sweep once, deliver the messages that are due, and return the report of the sweep."""
    from soda_service.assembly import build_runtime
    from soda_service.notify import build_transports
    from uws.notify.delivery import deliver
    from uws.work.sweep import sweep

    runtime = build_runtime(config)
    report = sweep(runtime)
    for transports in build_transports(config, runtime):
        deliver(runtime, transports)
    return report


def run_sweep(config: Config) -> None:
    """Sweep and deliver messages at regular intervals until SIGINT or SIGTERM."""
    start_process(config.log)
    from soda_service.assembly import build_runtime
    from soda_service.notify import build_transports
    from uws.notify.delivery import run_messenger
    from uws.work.sweep import run_sweeper

    runtime = build_runtime(config)
    groups = build_transports(config, runtime)
    every_s = config.sweep.every_s
    stop = threading.Event()
    # Wait for the signals instead of handling them: a handler that sets the event could deadlock
    # on the event's lock if the interrupted code holds it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    with ThreadPoolExecutor(1 + len(groups), "sweeper") as pool:
        threads = [pool.submit(run_sweeper, runtime, every_s=every_s, stop=stop)]
        threads += [
            pool.submit(run_messenger, runtime, transports, every_s=every_s, stop=stop)
            for transports in groups
        ]
        while not any(thread.done() for thread in threads):
            if signal.sigtimedwait(_STOP_SIGNALS, 1.0) is not None:
                break
        stop.set()
        for thread in threads:
            thread.result()
