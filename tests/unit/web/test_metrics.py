"""Counts of requests, over all processes where they share a directory."""

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.web.conftest import Open

CODE = """
import os, sys
from dataclasses import replace
from types import SimpleNamespace
from flask import Flask
from soda_service.web.metrics import create_metrics
from tests.services import services_for

def client():
    app = Flask("toy")
    find = SimpleNamespace(phase_counts=lambda: {"QUEUED": 3})
    runtime = SimpleNamespace(store=SimpleNamespace(find=find))
    services = replace(services_for(), runtime=runtime, queue_status=lambda: {"tasks": 0})
    app.register_blueprint(create_metrics(services))
    return app.test_client()

if os.fork() == 0:
    client().get("/nothing")
    os._exit(0)
os.wait()
mine = client()
mine.get("/nothing")
mine.open("/nothing", method="BREW")
print(mine.get("/metrics").text)
"""


def counted(shared: Path | None) -> str:
    environ = {name: text for name, text in os.environ.items() if "MULTIPROC" not in name}
    environ |= {"PROMETHEUS_MULTIPROC_DIR": str(shared)} if shared else {}
    command = [sys.executable, "-c", CODE]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout


def test_processes_that_share_a_directory_count_together(tmp_path: Path) -> None:
    text = counted(tmp_path / "made" / "by need")
    assert 'soda_requests_total{method="GET",route="none",status="404"} 2.0' in text
    assert 'soda_requests_total{method="other",route="none",status="404"} 1.0' in text
    assert 'soda_request_seconds_count{route="none"} 3.0' in text
    assert text.count('soda_jobs{state="QUEUED"} 3.0') == 1
    assert text.count("# TYPE soda_requests_total counter") == 1


def test_others_count_for_themselves() -> None:
    text = counted(None)
    assert 'soda_requests_total{method="GET",route="none",status="404"} 1.0' in text


def test_the_application_is_measured_also_without_its_queue(open_client: Open) -> None:
    client = open_client()
    client.get("/releases")
    text = client.get("/metrics").text
    requests = 'soda_requests_total{method="GET",route="releases.releases",status="200"} 1.0'
    for line in (requests, 'soda_answers{part="jobs"} 1.0', 'soda_answers{part="queue"} 0.0'):
        assert line in text
