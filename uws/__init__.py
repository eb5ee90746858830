"""A UWS 1.1 server for any kind of job, on Flask, SQLAlchemy and RQ.

A job type says what is computed; the server does the rest. A whole one, mounted on a Flask
application that does its jobs by itself, without workers::

    from pathlib import Path
    from flask import Flask, request
    from uws.http.blueprint import create_blueprint
    from uws.work.execution import InlineExecutor
    from uws.localfiles import LocalFiles
    from uws.jobtype import ChunkPlan, JobType, Outcome, Plan
    from uws.models import ChunkReport, Result
    from uws.service import JobService
    from uws.store import open_store


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
`uws.service` (the verbs). This page imports nothing.
"""
