import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from soda_service.errors import ConfigError
from soda_service.serve.runtime_folder import claim_data


def test_a_claimed_directory_is_refused_to_others(tmp_path: Path) -> None:
    with claim_data(tmp_path), pytest.raises(ConfigError) as caught, claim_data(tmp_path):
        pytest.fail("claimed twice")
    assert str(caught.value) == (
        f"{tmp_path} is in use by another `soda-service serve` (process {os.getpid()});"
        " stop that one, or choose another data directory"
    )
    with claim_data(tmp_path):
        pass


def test_the_folder_is_short_private_and_removed(tmp_path: Path) -> None:
    data = tmp_path / "made" / "by need"
    with claim_data(data) as folder:
        assert data.is_dir()
        assert len(os.fsencode(folder / "queue.sock")) <= 107
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "queue.sock").touch()
    assert not folder.exists()


def test_a_temporary_directory_with_a_long_name_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with claim_data(tmp_path / "data") as folder:
        assert folder.parent == Path("/tmp")


def test_a_killed_server_leaves_nothing_that_stays(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from soda_service.serve.runtime_folder import claim_data\n"
        "with claim_data(Path(sys.argv[1])) as folder:\n"
        "    print(folder, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    left = Path(killed.stdout.strip())
    assert left.is_dir()
    with claim_data(tmp_path) as folder:
        assert folder != left
        assert not left.exists()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"folder": "/"}', '{"folder": "soda-x"}'])
def test_a_strange_lock_file_does_no_harm(tmp_path: Path, note: str) -> None:
    (tmp_path / ".serve.lock").write_text(note)
    with claim_data(tmp_path) as folder:
        assert folder.is_dir()
