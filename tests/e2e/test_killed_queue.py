"""The queue server is killed in the middle of a job: what it held is sent again, soon."""

import os
import signal
import sys
from pathlib import Path

import pytest
import requests

from tests.e2e.service_process import started, wait_for
from tests.synthetic import DEC_DEG, RA_DEG, make_survey

TABLE = "RA,DEC\n" + "".join(f"{RA_DEG + n * 5e-5},{DEC_DEG}\n" for n in range(80))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc")
def test_a_job_survives_its_queue(tmp_path: Path) -> None:
    make_survey(tmp_path)
    command = ["-m", "soda_service.cli", "serve", "--data", str(tmp_path), "--port", "0"]
    with started([*command, "--workers", "1"], tmp_path / "log") as service:
        base = f"http://{service.address}"
        answer = requests.post(
            f"{base}/async",
            data={"PHASE": "RUN", "POSITIONS": TABLE, "COLORS_FITS": "grizY"},
            allow_redirects=False,
            timeout=60,
        )
        url = answer.headers["Location"]
        wait_for(lambda: "EXECUTING" in requests.get(f"{url}/phase", timeout=60).text, "start")
        (queue,) = service.named("valkey-server") or service.named("redis-server")
        os.kill(queue.pid, signal.SIGKILL)

        def is_done() -> bool:
            return "<uws:phase>COMPLETED" in requests.get(f"{url}?WAIT=5", timeout=60).text

        wait_for(is_done, "end of the job", 90)
        summary = requests.get(f"{url}/results/summary.json", timeout=60).json()
        assert [row["STATUS"] for row in summary["cutouts"]] == ["ok"] * 80
        assert service.stop() == 0
