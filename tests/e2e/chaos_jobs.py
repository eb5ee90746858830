"""Cutout jobs for the tests that kill: what is asked for, a client that never gives up, accounts.

An account is all of a finished job that must not depend on what happened to it: its rows, the
digests of its files, its results.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from lxml import etree

from tests.synthetic import DEC_DEG, RA_DEG

__all__ = ["REQUESTS", "Account", "Client", "Ledger", "account_of", "listed_jobs"]

_UWS = {"uws": "http://www.ivoa.net/xml/UWS/v1.0"}
_ANSWER_LIMIT_S = 20.0
_PAUSE_S = 0.1
_DOCUMENTS = ("summary.json", "manifest.", "positions_", "cutout_")
"""What the names of files begin with that tell of times and of the job's own address."""

_AWAY = frozenset({429, 502, 503})
"""Answers after which a client tries again; 500 and 404 are none of them."""


def _table(rows: int, step_deg: float) -> str:
    """Write a positions table of rows that all make files of their own names."""
    lines = [f"{RA_DEG - 0.02 + n * step_deg!r},{DEC_DEG - 0.001 * (n % 7)!r}" for n in range(rows)]
    return "\n".join(["RA,DEC", *lines])


_ALL_KINDS = {"COLORS_FITS": "grizY", "MAKE_RGB_LUPTON": "true", "MAKE_RGB_STIFF": "true"}

REQUESTS: Mapping[str, Mapping[str, str]] = {
    "one": {"RA": repr(RA_DEG), "DEC": repr(DEC_DEG), "MAKE_RGB_LUPTON": "true"},
    # The last position is off the survey, and known to be when the job is planned.
    "pictures": {"POSITIONS": _table(24, 1e-3) + "\n200,45\n", "XSIZE": "0.6", **_ALL_KINDS},
    # By reference: the table is longer than what is kept in the job document.
    "many": {"POSITIONS": _table(120, 3e-4), "COLORS_FITS": "gr", "XPIX": "40", "YPIX": "40"},
}
"""Name -> what is sent; the name is sent as RUNID, and so found in the list of jobs."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a job has made."""

    rows: tuple[Mapping[str, Any], ...]
    digests: Mapping[str, str]
    """SHA-256 of each cutout, by its path below the job's folder."""

    results: tuple[str, ...]
    """Ids, in order."""


def account_of(base: str, folder: Path, job_id: str) -> Account:
    """Give the account of a completed job, whose files lie in `folder`."""
    url = f"{base}/async/{job_id}"
    document = etree.fromstring(requests.get(url, timeout=60).content)
    assert document.findtext("uws:phase", None, _UWS) == "COMPLETED", etree.tostring(document)
    summary = requests.get(f"{url}/results/summary.json", timeout=60).json()
    return Account(
        tuple(summary["cutouts"]),
        {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in _public_files(folder)
            if not path.name.startswith(_DOCUMENTS)
        },
        tuple(str(result.get("id")) for result in document.iterfind(".//uws:result", _UWS)),
    )


def _public_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts):
            yield path


def listed_jobs(base: str) -> dict[str, tuple[str, str]]:
    """Give name and phase of all jobs by id."""
    content = requests.get(f"{base}/async", timeout=60).content
    found = etree.fromstring(content).iterfind("uws:jobref", _UWS)
    return {
        str(job.get("id")): (
            job.findtext("uws:runId", "", _UWS) or job.get("runId", ""),
            job.findtext("uws:phase", "", _UWS),
        )
        for job in found
    }


@dataclass(slots=True)
class Client:
    """Sends jobs one after the other and waits for each; what gets no answer is tried again."""

    find_base: Callable[[], str]
    """Gives the address of the service, which may have another one when it is started again."""

    accepted: dict[str, str] = field(default_factory=dict)
    """Name of each job for which a 303 was received, by id."""

    strange: list[str] = field(default_factory=list)
    """Answers that no client should get, whatever is being killed."""

    def run(self, names: Iterator[str], stop: threading.Event, limit_s: float) -> None:
        """Send jobs of these names until told to stop, and see each one completed."""
        end = time.monotonic() + limit_s
        while not stop.is_set():
            job_id = self.submit(next(names), end)
            while self._ask("GET", f"/async/{job_id}/phase", end).text != "COMPLETED":
                self._ask("GET", f"/async/{job_id}?WAIT=2", end)

    def submit(self, name: str, end: float) -> str:
        """Send a job until it is accepted; give its id."""
        fields = {"PHASE": "RUN", "RUNID": name, **REQUESTS[name]}
        answer = self._ask("POST", "/async", end, fields)
        job_id = urlsplit(answer.headers["Location"]).path.rpartition("/")[2]
        self.accepted[job_id] = name
        return job_id

    def _ask(
        self, method: str, path: str, end: float, fields: Mapping[str, str] | None = None
    ) -> requests.Response:
        expected = 200 if method == "GET" else 303
        while True:
            assert time.monotonic() < end, f"{method} {path}: no good answer in time"
            try:
                answer = requests.request(
                    method,
                    f"{self.find_base()}{path}",
                    data=fields,
                    allow_redirects=False,
                    timeout=_ANSWER_LIMIT_S,
                )
            except requests.RequestException:
                pass  # killed while it answered, or not yet there again
            else:
                if answer.status_code == expected:
                    return answer
                if answer.status_code not in _AWAY:
                    self.strange.append(f"{method} {path}: {answer.status_code} {answer.text}")
            threading.Event().wait(_PAUSE_S)


class Ledger:
    """The cutouts of which a journal says that they are finished, each as it was found first."""

    def __init__(self, jobs: Path) -> None:
        self._jobs = jobs
        self._read: Counter[Path] = Counter()
        self._states: dict[Path, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._states)

    def note(self) -> None:
        """Take in what was finished since the last time."""
        for journal in self._jobs.glob("*/.work/lines/*/*"):
            with journal.open("rb") as stream:
                stream.seek(self._read[journal])
                whole, end, _ = stream.read().rpartition(b"\n")
            self._read[journal] += len(whole + end)
            for line in whole.splitlines():
                for path in _files_of(line):
                    file = journal.parents[3] / path
                    self._states.setdefault(file, _state_of(file))

    def made_again(self) -> list[Path]:
        """Give the files that are others than they were; writing one makes a new inode."""
        return [file for file, state in self._states.items() if _state_of(file) != state]


def _files_of(line: bytes) -> Iterator[str]:
    try:
        row = json.loads(line)
    except ValueError:  # torn by a kill
        return
    for file in row.get("r", {"files": ()})["files"]:  # a mark has no result
        yield file["path"]


def _state_of(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_ino, status.st_mtime_ns
