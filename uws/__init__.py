"""A UWS 1.1 server for any kind of job, on Flask, SQLAlchemy and RQ.

A job type says what is computed; the server does the rest. A whole one, mounted on a Flask
application that does its jobs by itself, without workers::

    from pathlib import Path
    from flask import Flask, request
    from uws import ChunkPlan, ChunkReport, JobService, JobType, Outcome, Plan, Result
    from uws import create_blueprint, open_store
    from uws.localfiles import LocalFiles
    from uws.work.execution import InlineExecutor


    class Shout(JobType):
        name = "shout"

        def check(self, parameters, files):
            return ()

        def plan(self, context):
            return Plan([ChunkPlan({}, total=1)])

        def run_chunk(self, context, chunk):
            text = " ".join(item.value for item in context.job.parameters).upper()
            context.files.write(f"{context.job.id}/shout.txt", text.encode())
            return ChunkReport(done=1)

        def finish(self, context, reports):
            return Outcome((Result("result", f"{context.job.id}/shout.txt", "text/plain"),))


    store = open_store("sqlite:///jobs.db")
    store.migrate()
    executor = InlineExecutor(store, LocalFiles(Path("files")), job_types={"shout": Shout()})
    app = Flask(__name__)
    app.register_blueprint(
        create_blueprint(
            JobService(executor.runtime),
            job_type="shout",
            authenticate=lambda request: "",
            base_url=lambda: request.root_url.rstrip("/"),
        )
    )

Then `curl -L -d PHASE=RUN -d WORD=hello localhost:5000/async` answers the finished job. With
`uws.work.execution.RQExecutor` in place of the inline one, and `uws.work.rqworker.run_worker` in
other processes, the same job type is worked by many hosts: README.md beside this file shows it.
Start reading at `uws.models` (the values), then `uws.jobtype` (what a job type must do) and
`uws.service` (the verbs). The names of this page are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uws.http.blueprint import create_blueprint
    from uws.jobtype import ChunkPlan, JobType, Outcome, Plan
    from uws.models import ChunkReport, Result
    from uws.service import JobService
    from uws.store import open_store

__all__ = [
    "ChunkPlan",
    "ChunkReport",
    "JobService",
    "JobType",
    "Outcome",
    "Plan",
    "Result",
    "create_blueprint",
    "open_store",
]

_HOMES = {
    "ChunkPlan": "uws.jobtype",
    "ChunkReport": "uws.models",
    "JobService": "uws.service",
    "JobType": "uws.jobtype",
    "Outcome": "uws.jobtype",
    "Plan": "uws.jobtype",
    "Result": "uws.models",
    "create_blueprint": "uws.http.blueprint",
    "open_store": "uws.store",
}


def __getattr__(name: str) -> object:
    """Import a name of the front page; what only needs a part of the server imports no more."""
    if name not in _HOMES:
        raise AttributeError(f"module 'uws' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
