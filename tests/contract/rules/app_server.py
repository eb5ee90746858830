"""The cutout application behind a real gunicorn, without workers, configured by the test.

`python -m tests.contract.rules.app_server FOLDER '{"proxy_hops": 1}'`: settings of its `web` part
as JSON. The queue is away, so jobs are accepted and stay QUEUED.
"""

import json
import sys
from pathlib import Path

import click

from soda_service.app import create_app
from soda_service.assembly import build_runtime
from soda_service.config.load import load_config
from soda_service.serve.web import address_of, listen, run_web


def main() -> None:
    folder = Path(sys.argv[1])
    web = {"port": 0, "workers": 1, "threads": 8, **json.loads(sys.argv[2])}
    nowhere = {"url": f"unix://{folder / 'no-queue.sock'}"}
    config = load_config(None, folder, overrides={"web": web, "queue": nowhere})
    build_runtime(config).store.migrate()
    listener = listen(config.web)
    (folder / "metrics").mkdir()
    click.echo(f"ready http://{address_of(listener)}")
    sys.stdout.flush()
    run_web(config, create_app, listener=listener, folder=folder)


if __name__ == "__main__":
    main()
