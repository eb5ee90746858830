"""The processes that work behind the web: RQ workers, and the sweeper with its messengers.

Each builds its own `Runtime` from the settings; nothing open is inherited.
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
"""What jobs need. Loaded before forks: 636 ms a task when each work-horse loads it, 15 ms so."""

_log = logging.getLogger(__name__)

_STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})


def preload() -> None:
    """Load what jobs need, so that processes forked from here have it."""
    # Chunks run side by side in processes; a thread pool in each would only get in the way,
    # and threads are not for processes that fork. Read by numpy's BLAS when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for module in _MODULES:
        importlib.import_module(module)
    from soda_service.engine.colour.methods import METHODS
    from soda_service.formats.deflate import fastest_deflate

    for method in METHODS.values():
        method.load()
    fastest_deflate()


def prepare(config: Config) -> None:
    """Bring the job store's schema up to date, making the store where there is none."""
    from uws.store import open_store

    url = config.store_url()
    if config.data:
        config.data.mkdir(parents=True, exist_ok=True)
    store = open_store(url)
    try:
        store.migrate()
    finally:
        store.close()  # `serve` forks after this


def run(config: Config, *, burst: bool = False, name: str | None = None) -> None:
    """Work on tasks until SIGINT or SIGTERM, which let the running task end.

    Parameters
    ----------
    burst
        Return when the queue is empty.
    name
        Of the worker, unique among all of the queue; made from host and process if None.
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
        # Before the forks, or every task would read the tables: 0.12 s for 10,169 tiles.
        if releases.has_tiles(release):
            with suppress(ConfigError):  # told when a job asks for this release
                releases.index(release)
    run_worker(
        parts.runtime,
        redis_url=config.queue_url(),
        queue_name=config.queue.name,
        burst=burst,
        name=name,
    )


def sweep_once(config: Config) -> "SweepReport":
    """Sweep once, and deliver what messages are due; give what the sweep did."""
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
    """Sweep again and again, and deliver messages beside it, until SIGINT or SIGTERM."""
    start_process(config.log)
    from soda_service.assembly import build_runtime
    from soda_service.notify import build_transports
    from uws.notify.delivery import run_messenger
    from uws.work.sweep import run_sweeper

    runtime = build_runtime(config)
    groups = build_transports(config, runtime)
    every_s = config.sweep.every_s
    stop = threading.Event()
    # The signals are waited for, not handled: a handler that set the event could meet the
    # event's own lock in the hands of the code that it interrupted.
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
