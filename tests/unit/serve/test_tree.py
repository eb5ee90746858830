"""Pauses before a process is started again, by a supervisor of its own: it reaps every child."""

import subprocess
import sys

import pytest

SCRIPT = """
import logging, re, signal, sys, time
from soda_service.serve import tree
from soda_service.serve.processes import SIGNALS

class Pauses(logging.Handler):
    found = []
    def emit(self, record):
        self.found += re.findall(r"restarting it in ([0-9.]+) s", record.getMessage())

logging.getLogger().addHandler(Pauses())
tree._STEADY_S = float(sys.argv[2])
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
processes = tree.ProcessTree()
processes.start("part", lambda: time.sleep(float(sys.argv[1])), rank=1, grace_s=5)
while len(Pauses.found) < 3:
    processes.watch(0.01)
processes.stop()
print(*Pauses.found[:3])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="serve runs on Linux only")
@pytest.mark.parametrize(
    ("life_s", "steady_s", "pauses"),
    [("0", "60", "0.1 0.2 0.4\n"), ("0.2", "0.1", "0.1 0.1 0.1\n")],
    ids=["dies at once", "lives for a while"],
)
def test_pauses_grow_for_what_cannot_start(life_s: str, steady_s: str, pauses: str) -> None:
    command = [sys.executable, "-c", SCRIPT, life_s, steady_s]
    assert subprocess.check_output(command, text=True, timeout=60) == pauses
