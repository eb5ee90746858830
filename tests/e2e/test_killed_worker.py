"""A worker that is killed in the middle of a job loses nothing of it."""

import hashlib
import os
import signal
import sys
from pathlib import Path

import pytest
import requests

from tests.e2e.service_process import descendants, started, wait_for
from tests.synthetic import DEC_DEG, RA_DEG, make_survey

ROWS = 60
TABLE = "RA,DEC\n" + "".join(f"{RA_DEG + n * 2e-4},{DEC_DEG}\n" for n in range(ROWS))


def finished_files(base: str, kill_pid: int | None) -> dict[str, str]:
    """Run the table; kill the worker's tree of processes once rows are being cut."""
    answer = requests.post(
        f"{base}/async",
        data={"PHASE": "RUN", "POSITIONS": TABLE, "COLORS_FITS": "grizY"},
        allow_redirects=False,
        timeout=60,
    )
    url = answer.headers["Location"]
    if kill_pid is not None:
        wait_for(lambda: "EXECUTING" in requests.get(f"{url}/phase", timeout=60).text, "start")
        for process in [*descendants(kill_pid), None]:
            os.kill(kill_pid if process is None else process.pid, signal.SIGKILL)

    def phase() -> str:
        return requests.get(f"{url}?WAIT=5", timeout=60).text

    wait_for(lambda: "<uws:phase>COMPLETED" in phase(), "end of the job", 90)
    summary = requests.get(f"{url}/results/summary.json", timeout=60).json()
    assert [row["STATUS"] for row in summary["cutouts"]] == ["ok"] * ROWS
    names = [name for row in summary["cutouts"] for name in row["FILES"]]
    assert len(names) == 5 * ROWS
    return {
        name: hashlib.sha256(requests.get(f"{url}/results/{name}", timeout=60).content).hexdigest()
        for name in names
    }


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc")
def test_a_job_survives_its_worker(tmp_path: Path) -> None:
    make_survey(tmp_path)
    command = ["-m", "soda_service.cli", "serve", "--data", str(tmp_path), "--port", "0"]
    with started([*command, "--workers", "1"], tmp_path / "log") as service:
        base = f"http://{service.address}"
        undisturbed = finished_files(base, None)
        worker = next(p for p in descendants(service.popen.pid) if "work" in p.name)
        assert finished_files(base, worker.pid) == undisturbed
        assert service.stop() == 0
