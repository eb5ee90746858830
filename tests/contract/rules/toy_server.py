"""A toy job list behind a real gunicorn: `python -m tests.contract.rules.toy_server FOLDER`.

Jobs are worked by threads of the web process, so that clients see them QUEUED, EXECUTING and
done; the sweep ends those past their time. Whoever opens the same folder may put jobs into
phases that no client can bring about.
"""

import secrets
import sys
import threading
from pathlib import Path

import click
from flask import Flask, Request, request
from typing_extensions import override

from soda_service.config.load import load_config
from soda_service.config.model import Config
from soda_service.serve.web import address_of, listen, run_web
from tests.toyjob import ToyJob
from uws.errors import AuthenticationError
from uws.http.blueprint import create_blueprint
from uws.localfiles import LocalFiles
from uws.runtime import Executor, JobLimits, Runtime
from uws.service import JobService
from uws.store import open_store
from uws.work.execution import InlineExecutor
from uws.work.sweep import run_sweeper

__all__ = ["LIMITS", "open_parts"]

LIMITS = JobLimits(
    execution_default_s=600,
    execution_max_s=3600,
    lifetime_default_s=86400,
    lifetime_max_s=10 * 86400,
    wait_max_s=8,
    running_jobs_max=20,
    lease_s=600,  # jobs put into a phase by hand have no worker, and are to stay there
)


class _ThreadExecutor(Executor):
    """Works each job in a thread of its own."""

    def __init__(self, inline: InlineExecutor) -> None:
        self._inline = inline

    @override
    def send_plan(self, job_id: str) -> None:
        threading.Thread(target=self._inline.send_plan, args=(job_id,), daemon=True).start()

    @override
    def send_chunks(self, job_id: str, numbers: object) -> None:
        """Do nothing: the thread of the plan works the chunks too."""

    @override
    def send_finish(self, job_id: str) -> None:
        """Do nothing, likewise."""

    @override
    def cancel(self, job_id: str) -> None:
        """Do nothing: the job type's heartbeat tells its thread."""


def open_parts(folder: Path) -> Runtime:
    """Open store and files of the server in `folder`."""
    store = open_store(f"sqlite:///{folder / 'jobs.db'}")
    inline = InlineExecutor(
        store, LocalFiles(folder / "files"), job_types={"toy": ToyJob()}, limits=LIMITS
    )
    runtime = inline.runtime
    executor = _ThreadExecutor(inline)
    return Runtime(runtime.store, runtime.files, runtime.job_types, executor, LIMITS)


def make_app(config: Config) -> Flask:
    """Make the application, in the web process."""
    runtime = open_parts(config.data_folder())
    sweeper = threading.Thread(
        target=run_sweeper,
        args=(runtime,),
        kwargs={"every_s": 0.3, "stop": threading.Event()},
        daemon=True,
    )
    sweeper.start()
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 20_000_000
    blueprint = create_blueprint(
        JobService(runtime),
        job_type="toy",
        authenticate=_authenticate,
        base_url=lambda: request.root_url.rstrip("/"),
    )
    app.register_blueprint(blueprint)
    return app


def _authenticate(request: Request) -> str:
    """Believe the user name; who sends none, or an empty one, is the anonymous owner."""
    if request.headers.get("Authorization") == "Bearer wrong":
        raise AuthenticationError("the token is not known")
    return (request.authorization and request.authorization.username) or ""


def main() -> None:
    folder = Path(sys.argv[1])
    open_parts(folder).store.migrate()
    config = load_config(None, folder, overrides={"web": {"port": 0, "workers": 1, "threads": 64}})
    listener = listen(config.web)
    click.echo(f"ready http://{address_of(listener)}")
    sys.stdout.flush()
    runtime_folder = folder / f"run-{secrets.token_hex(4)}"
    (runtime_folder / "metrics").mkdir(parents=True)
    run_web(config, make_app, listener=listener, folder=runtime_folder)


if __name__ == "__main__":
    main()
