"""The embedded service as its operators meet it: real processes, real signals."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from tests.e2e.service_process import (
    LIMIT_S,
    Process,
    Service,
    descendants,
    started,
    wait_for,
)

TOY = str(Path(__file__).with_name("toy_service.py"))


def toy(folder: Path, workers: int = 2) -> AbstractContextManager[Service]:
    return started([TOY, str(folder / "data"), str(workers)], folder / "log")


def run_toy(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a service that shall fail to start."""
    return subprocess.run(
        [sys.executable, TOY, str(folder / "data"), "1", *options],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def whole_tree(service: Service) -> list[Process]:
    """The processes of a toy with two workers, once all are there."""
    names = [
        "soda-sweeper",
        *["soda-web"] * 3,
        *["soda-worker-1"] * 2,
        *["soda-worker-2"] * 2,
        "valkey-server",
    ]

    def tree_if_whole() -> list[Process]:
        tree = descendants(service.popen.pid)
        return tree if sorted(process.name for process in tree) == names else []

    return wait_for(tree_if_whole, "all processes")


def socket_folder(service: Service) -> Path:
    """The folder of the queue's socket, as the toy application tells its URL."""
    url = service.get("/")[1].split()[1]
    return Path(url.removeprefix("unix://")).parent


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with toy(tmp_path) as service:
        folder = socket_folder(service)
        tree = whole_tree(service)
        assert service.stop(number) == 0
        assert [process for process in tree if process.is_alive] == []
    assert service.lines == [f"ready http://{service.address}\n"]
    assert not folder.exists()


def test_under_nohup_the_end_of_the_terminal_is_none_of_the_service(tmp_path: Path) -> None:
    nohup = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    command = ["-c", nohup, TOY, str(tmp_path / "data"), "2"]
    with started(command, tmp_path / "log") as service:
        tree = whole_tree(service)
        service.popen.send_signal(signal.SIGHUP)
        assert service.get("/")[0] == 200
        assert service.stop() == 0
        assert [process for process in tree if process.is_alive] == []
    assert "stopping on SIGTERM" in service.log.read_text()


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with toy(tmp_path) as service:
        second = run_toy(tmp_path)
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr == (
            f"{tmp_path / 'data'} is in use by another `soda-service serve`"
            f" (process {service.popen.pid});"
            " stop that one, or choose another data directory\n"
        )
        assert service.get("/")[0] == 200


def test_a_killed_supervisor_leaves_no_orphan_and_the_next_starts_at_once(tmp_path: Path) -> None:
    with toy(tmp_path) as service:
        folder = socket_folder(service)
        tree = whole_tree(service)
        service.popen.kill()
        service.popen.wait()
        with toy(tmp_path) as successor:
            assert successor.get("/")[0] == 200
            assert not folder.exists()
            assert successor.stop() == 0
        wait_for(lambda: not any(process.is_alive for process in tree), "end of orphans", 5)


@pytest.mark.parametrize(
    ("name", "count"),
    [("soda-worker-1", 2), ("soda-web", 3), ("valkey-server", 1), ("soda-sweeper", 1)],
)
def test_what_is_killed_is_started_again(tmp_path: Path, name: str, count: int) -> None:
    with toy(tmp_path) as service:
        former = [process for process in whole_tree(service) if process.name == name]
        assert len(former) == count
        first = next(process for process in former if process.parent == service.popen.pid)
        os.kill(first.pid, signal.SIGKILL)

        def is_renewed() -> bool:
            current = service.named(name)
            return len(current) == count and not set(current) & set(former)

        wait_for(is_renewed, f"{name} again")
        assert service.get("/")[0] == 200  # on the same port, the socket is the supervisor's
        assert service.stop() == 0
    assert "killed by SIGKILL; restarting it in 0.1 s" in service.log.read_text()


def test_a_part_that_fails_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "failures").write_text("no luck\nno luck again")

    with toy(tmp_path) as service:
        log = service.log
        wait_for(lambda: log.read_text().count("sweeper started") == 3, "third start")
        assert service.stop() == 0
    text = log.read_text()
    assert "sweeper: no luck\n" in text
    assert "sweeper: exit status 1; restarting it in 0.1 s" in text
    assert "sweeper: no luck again\n" in text
    assert "sweeper: exit status 1; restarting it in 0.2 s" in text


def test_neither_a_blocked_request_nor_a_stubborn_worker_holds_the_end(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stubborn").touch()

    def block(service: Service) -> None:
        with suppress(OSError):
            service.get("/block")

    with toy(tmp_path, workers=1) as service:
        tree = descendants(service.popen.pid)
        blocked = threading.Thread(target=block, args=(service,))
        blocked.start()
        assert service.stop() == 0
        assert [process for process in tree if process.is_alive] == []
        blocked.join()
    assert "worker-1 did not stop in time and is killed" in service.log.read_text()


def test_the_service_itself(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    command = ["-m", "soda_service", "serve", "--data", data, "--port", "0", "--workers", "1"]
    with started(command, tmp_path / "log") as service:
        assert service.get("/availability")[0] == 200
        assert service.get("/async")[0] == 200
        for _ in range(10):
            assert service.get("/capabilities")[0] == 200
        for _ in range(4):  # whichever web process answers
            metrics = service.get("/metrics")[1]
            assert 'method="GET",route="vosi.capabilities",status="200"} 10.0\n' in metrics
        tree = descendants(service.popen.pid)
        assert service.stop() == 0
        assert [process for process in tree if process.is_alive] == []
    assert service.lines == [f"ready http://{service.address}\n"]
    log = service.log.read_text()
    assert "Traceback" not in log
    assert "WARNING" not in log


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_toy(tmp_path, str(port))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"[Errno 98] cannot listen at web.host 127.0.0.1, web.port {port}: Address already in use\n"
    )


def test_an_application_that_cannot_be_made_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "no-app").touch()

    ended = run_toy(tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "CutoutError: there is no application" in ended.stderr
    assert ended.stderr.splitlines()[-1] == (
        "web did not start: it ended 3 times, the last time by exit status 3; see the log above"
    )
