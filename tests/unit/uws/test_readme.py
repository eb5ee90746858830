"""The examples of uws/README.md run as they stand, as programs, without the cutout service."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
from lxml import etree

import uws
from tests.contract.rq_bench import started_server
from tests.e2e.service_process import wait_for

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "uws" / "README.md").read_text()
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
BLOCKED = ("soda_service", "astropy", "numpy", "PIL")

WITHOUT = f"""
import sys
for name in {BLOCKED}:
    sys.modules[name] = None
"""
"""Read by every Python that finds it on its path; modules that are None cannot be imported."""

IMPORT_ALL = """
import importlib, pkgutil, uws
for module in pkgutil.walk_packages(uws.__path__, "uws."):
    if ".migrations" not in module.name:
        importlib.import_module(module.name)
        print(module.name)
"""


def code_of(name: str) -> str:
    """Give the block of code that stands below the name of its file."""
    found = re.findall(rf"<!-- {re.escape(name)} -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with the examples, in which nothing of the cutout service can be imported."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    for name in ("shout.py", "shout_workers.py"):
        (tmp_path / name).write_text(code_of(name))
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", **more}


@contextmanager
def running(folder: Path, *arguments: str, log: str, **variables: str) -> Iterator[Path]:
    """Run a program of Python until the block ends; gives what it says."""
    path = folder / log
    with path.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment(folder, **variables),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield path
        assert process.poll() is None, path.read_text()
    finally:
        process.terminate()
        process.wait(60)


def address_of(log: Path) -> str:
    """Wait until Flask tells where it listens."""
    found = wait_for(lambda: re.search(r"Running on (http://\S+)", log.read_text()), "server", 60)
    assert found is not None
    return found[1]


def test_the_example_is_that_of_the_front_page() -> None:
    front = (uws.__doc__ or "").partition("::\n\n")[2].partition("\n\nThen ")[0]
    assert code_of("shout.py") == textwrap.dedent(front) + "\n"


def test_everything_can_be_imported_without_the_cutout_service(folder: Path) -> None:
    for name in BLOCKED:
        refused = subprocess.run(
            [sys.executable, "-c", f"import {name}"],
            env=environment(folder),
            capture_output=True,
            check=False,
        )
        assert refused.returncode == 1
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"uws.http.blueprint", "uws.work.rqworker", "uws.store.jobs"} <= set(done.stdout.split())


def test_the_example_answers_over_http(folder: Path) -> None:
    with running(folder, "-m", "flask", "--app", "shout", "run", "-p", "0", log="web") as log:
        form = {"PHASE": "RUN", "WORD": "hello"}
        answer = requests.post(f"{address_of(log)}/async", data=form, timeout=60)
        assert shown(answer) == ("COMPLETED", "HELLO")


@pytest.mark.xdist_group("rq")
def test_the_example_with_workers_answers_over_http(folder: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(started_server()).url
        flask = ("-m", "flask", "--app", "shout_workers", "run", "-p", "0")
        log = stack.enter_context(running(folder, *flask, log="web", REDIS_URL=url))
        base = address_of(log)
        for role in ("work", "sweep"):
            program = ("shout_workers.py", role)
            stack.enter_context(running(folder, *program, log=role, REDIS_URL=url))
        form = {"PHASE": "RUN", "WORD": "hello"}
        job = requests.post(f"{base}/async", data=form, timeout=60).url

        def ended() -> requests.Response | None:
            answer = requests.get(f"{job}?WAIT=20", timeout=60)
            return None if "<uws:endTime xsi:nil" in answer.text else answer

        answer = wait_for(ended, "end of the job", 90)
        assert answer is not None
        assert shown(answer) == ("COMPLETED", "HELLO")


def shown(answer: requests.Response) -> tuple[str | None, str]:
    """Read the phase of a job from its document, and the text of its result."""
    assert answer.status_code == 200, answer.text
    document = etree.fromstring(answer.content)
    (result,) = document.iterfind(f"{UWS}results/{UWS}result")
    href = result.get("{http://www.w3.org/1999/xlink}href")
    return document.findtext(f"{UWS}phase"), requests.get(href, timeout=60).text
