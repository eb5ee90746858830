"""The supervisor with tiny parts, run by test_serve.py: `toy_service.py DATA WORKERS [PORT]`."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from soda_service.config.load import load_config
from soda_service.config.model import Config
from soda_service.errors import CutoutError
from soda_service.logs import set_up_logging
from soda_service.serve.supervisor import ServiceParts, serve


def make_app(config: Config) -> Callable[..., Iterable[bytes]]:
    """An application that names its process and its queue; `/block` never answers."""
    if (config.data_folder() / "no-app").exists():
        raise CutoutError("there is no application")

    def app(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/block":
            threading.Event().wait()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{os.getpid()} {config.queue.url}".encode()]

    return app


def work(config: Config) -> None:
    """A worker with a work-horse of its own session, as RQ has them."""
    stubborn = (config.data_folder() / "stubborn").exists()
    horse = os.fork()
    if horse == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            signal.pause()
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def sweep(config: Config) -> None:
    """Fail as often as the file `failures` has lines left, then idle."""
    note = config.data_folder() / "failures"
    left = note.read_text().splitlines() if note.exists() else []
    if left:
        note.write_text("\n".join(left[1:]))
        raise OSError(left[0])
    while True:
        signal.pause()


def main() -> int:
    port = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    config = load_config(None, Path(sys.argv[1]), overrides={"web": {"port": port, "threads": 4}})
    set_up_logging(config.log)
    parts = ServiceParts(lambda: None, lambda _: None, make_app, work, sweep)
    try:
        serve(config, parts, workers=int(sys.argv[2]), announce=click.echo)
    except (CutoutError, OSError) as error:
        click.echo(error, err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
