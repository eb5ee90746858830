"""The link in a warning: following it changes nothing, its button keeps results, a few times."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from soda_service.config.model import Config, ServiceConfig
from soda_service.pages.keep import create_keep
from soda_service.pages.layout import create_layout
from tests.services import services_for
from tests.uws_runtime import RecordingExecutor, open_runtime
from uws.errors import UWSError
from uws.http.responses import uws_error
from uws.models import Job
from uws.notify.links import ExtensionRules, JobExtensions
from uws.runtime import Runtime
from uws.service import JobService

RULES = ExtensionRules(days=3, times=2)
CONFIG = replace(Config(), mail=replace(Config().mail, keep_days=3, keep_times=2))


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return open_runtime(tmp_path, RecordingExecutor())


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(create_layout(ServiceConfig(), lambda: "http://localhost"))
    app.register_blueprint(create_keep(services_for(runtime=runtime, config=CONFIG)))
    app.register_error_handler(UWSError, uws_error)
    return app.test_client()


@pytest.fixture
def job(runtime: Runtime) -> Job:
    return JobService(runtime).create("vera", [], job_type="toy", run_id="night 1")


def press(client: FlaskClient, token: str) -> str:
    """Press the button on the page of a link; give the page that comes."""
    shown = client.get(f"/keep/{token}").text
    csrf = re.search(r'name="csrf" value="([^"]+)"', shown)
    assert csrf
    answer = client.post(f"/keep/{token}", data={"csrf": csrf[1]})
    assert answer.status_code == 303
    return client.get(f"/keep/{answer.headers['Location']}").text


def test_following_a_link_changes_nothing(client: FlaskClient, runtime: Runtime, job: Job) -> None:
    token, until = JobExtensions(runtime, RULES).create(job)
    assert until == job.destruction + timedelta(days=3)
    for _ in range(3):
        answer = client.get(f"/keep/{token}")
        assert f"Keep until {until:%Y-%m-%d}" in answer.text
        assert "night 1" in answer.text
    client.head(f"/keep/{token}")
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert runtime.store.get(job.id).destruction == job.destruction


def test_its_button_keeps_the_results_once(client: FlaskClient, runtime: Runtime, job: Job) -> None:
    token, until = JobExtensions(runtime, RULES).create(job)
    assert "The results are kept until" in press(client, token)
    assert runtime.store.get(job.id).destruction == until
    assert "<form" not in client.get(f"/keep/{token}").text
    again = client.post(f"/keep/{token}", headers={"Origin": "https://elsewhere.example"})
    assert again.status_code == 403
    assert runtime.store.get(job.id).destruction == until


def test_results_are_kept_a_few_times_only(client: FlaskClient, runtime: Runtime, job: Job) -> None:
    for _ in range(RULES.times):
        token, _ = JobExtensions(runtime, RULES).create(runtime.store.get(job.id))
        press(client, token)
    kept = runtime.store.get(job.id)
    assert kept.destruction == job.destruction + timedelta(days=6)
    assert JobExtensions(runtime, RULES).create(kept) == ("", None)


def test_a_link_that_was_made_before_the_last_time_says_so(
    client: FlaskClient, runtime: Runtime, job: Job
) -> None:
    old, _ = JobExtensions(runtime, ExtensionRules(days=90, times=9)).create(job)
    longest = timedelta(seconds=runtime.limits.lifetime_max_s)
    runtime.store.set_destruction(job.id, job.creation_time + longest)
    token, _ = JobExtensions(runtime, RULES).create(runtime.store.get(job.id))
    assert token == ""
    assert "The results are kept until" in client.get(f"/keep/{old}").text


@pytest.mark.parametrize("token", ["x", "x" * 5000, "..", "%00"])
def test_what_is_no_link_is_not_found(client: FlaskClient, token: str) -> None:
    assert client.get(f"/keep/{token}").status_code in {404, 308}


def test_the_link_of_a_deleted_job_has_expired(
    client: FlaskClient, runtime: Runtime, job: Job
) -> None:
    token, _ = JobExtensions(runtime, RULES).create(job)
    JobService(runtime).delete("vera", job.id)
    answer = client.get(f"/keep/{token}")
    assert answer.status_code == 404
    assert "this link has expired" in answer.text
