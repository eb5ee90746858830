"""A row that kills or hangs each worker it meets is given up alone; the rest is done."""

import sys
from pathlib import Path

import pytest
import requests

from tests.e2e.service_process import started, wait_for
from tests.synthetic import DEC_DEG, RA_DEG, make_survey

POSITIONS_DEG = [RA_DEG + n * 2e-4 for n in range(10)]
POISONED = 4  # the fifth row
TABLE = "RA,DEC\n" + "".join(f"{ra_deg!r},{DEC_DEG}\n" for ra_deg in POSITIONS_DEG)


@pytest.mark.skipif(sys.platform != "linux", reason="serve runs on Linux only")
@pytest.mark.parametrize("script", ["poisoned_service.py", "stuck_service.py"])
def test_a_poisoned_row_is_given_up_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    make_survey(tmp_path)
    monkeypatch.setenv("SODA_SWEEP__EVERY_S", "0.2")
    monkeypatch.setenv("SODA_JOBS__TRIES", "2")
    monkeypatch.setenv("SODA_JOBS__LEASE_S", "3")
    script_path = str(Path(__file__).with_name(script))
    command = [script_path, repr(POSITIONS_DEG[POISONED]), "serve", "--data", str(tmp_path)]
    with started([*command, "--port", "0", "--workers", "1"], tmp_path / "log") as service:
        answer = requests.post(
            f"http://{service.address}/async",
            data={"PHASE": "RUN", "POSITIONS": TABLE, "COLORS_FITS": "g"},
            allow_redirects=False,
            timeout=60,
        )
        url = answer.headers["Location"]

        def phase() -> str:
            return requests.get(f"{url}/phase", timeout=60).text

        wait_for(lambda: phase() not in {"QUEUED", "EXECUTING"}, "end of the job", 60)
        assert phase() == "COMPLETED"
        rows = requests.get(f"{url}/results/summary.json", timeout=60).json()["cutouts"]
        assert service.stop() == 0
    expected = [("ok", "", 1)] * len(POSITIONS_DEG)
    expected[POISONED] = ("failed", "no worker survived it in 2 tries", 0)
    assert [(row["STATUS"], row["MESSAGE"], len(row["FILES"])) for row in rows] == expected
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert log.count("chunk given up, or an item of it: no worker survived it in 2 tries") == 1
