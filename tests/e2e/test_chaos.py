"""Every process of the service is killed, again and again, while jobs run: nothing is lost."""

import logging
import sys
from pathlib import Path

import pytest

from tests.e2e.chaos import KINDS, run_chaos

KILLS = 50


@pytest.mark.xdist_group("chaos")
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc")
def test_no_kill_loses_a_job_or_a_finished_cutout(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):  # shown where this fails
        report = run_chaos(tmp_path, kills=KILLS, seed=3, tell=logging.getLogger("chaos").info)
    assert report.kills.total() == KILLS
    assert report.kills.keys() == KINDS
    assert report.jobs >= 3
    assert report.remembered > 300, "too little was finished to show that it is kept"
