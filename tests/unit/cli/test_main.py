import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from click.testing import CliRunner, Result

from soda_service import __version__
from soda_service.cli.main import main
from soda_service.errors import ConfigError
from tests.logging_state import restored_logging

ROOT = Path(__file__).resolve().parents[3]

COMMANDS = [
    "check-config",
    "demo",
    "import-objects",
    "import-tiles",
    "index-tiles",
    "init-db",
    "publish",
    "registry-record",
    "serve",
    "sweep",
    "worker",
]


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    with restored_logging():
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SODA_DATA", "SODA_CONFIG"):
        monkeypatch.delenv(name, raising=False)


NO_QUEUE = (
    "queue.url: no Redis server is set; use SODA_QUEUE__URL or [queue] url, or run"
    " `soda-service serve`, which starts its own"
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve"], "no data directory is set; use --data DIR, SODA_DATA, or `data` in the file"),
        (["init-db"], "no data directory is set; use --data DIR, SODA_DATA, or `data` in the file"),
        (["worker", "--data", "/nowhere"], NO_QUEUE),
        (["sweep", "--data", "/nowhere"], NO_QUEUE),
        (
            ["--config", "/nowhere.toml", "check-config"],
            "/nowhere.toml: cannot be read: [Errno 2] No such file or directory: '/nowhere.toml'",
        ),
        (
            ["sweep", "--every", "0", "--data", "/nowhere"],
            "command line: sweep.every_s: 0.0 is out of bounds; allowed: 0.1 to 3600",
        ),
        (
            ["init-db", "--data", "/dev/null/data"],
            "[Errno 20] Not a directory: '/dev/null/data'",
        ),
    ],
)
def test_an_expected_error_is_one_line_and_status_2(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {message}\n"


@pytest.mark.parametrize(
    "arguments", [["--debug", "serve"], ["serve", "--debug"]], ids=["before", "after"]
)
def test_debug_shows_the_traceback(arguments: list[str]) -> None:
    assert isinstance(run(*arguments).exception, ConfigError)


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "65536"],
        ["serve", "--workers", "0"],
        ["import-tiles", "DR1", "/nowhere.csv"],
        ["publish", "/nowhere"],
        ["fly"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_help_lists_all_commands_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from soda_service.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    for command in COMMANDS:
        assert f"\n  {command} " in ended.stdout
    heavy = {"alembic", "astropy", "flask", "gunicorn", "lxml", "numpy", "pydantic", "redis"}
    assert set(ended.stderr.split()) & (heavy | {"rich", "rq", "sqlalchemy"}) == set()


def test_version() -> None:
    assert run("--version").output == f"soda-service, version {__version__}\n"


def test_every_command_and_its_options_are_documented() -> None:
    text = (ROOT / "docs" / "operate.md").read_text()
    assert sorted(main.commands) == COMMANDS
    shared = {"--config", "--data", "--debug"}
    for name, command in main.commands.items():
        assert f"`soda-service {name}" in text
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert option in shared or f"`{option}" in text, (name, option)


@pytest.mark.parametrize("place", ["before", "after"])
def test_shared_options_stand_before_or_after_the_command(tmp_path: Path, place: str) -> None:
    shared = ["--data", tmp_path / "data"]
    arguments = [*shared, "init-db"] if place == "before" else ["init-db", *shared]
    result = run(*arguments)
    assert (result.exit_code, result.output) == (0, "the job store is up to date\n")
    assert (tmp_path / "data" / "soda.db").exists()


def write_release(folder: Path, name: str = "sky", **more: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "name": name.upper(),
        "title": "A sky",
        "root": str(folder),
        "path_template": "{tilename}_{band}.fits",
        **more,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    text = "\n".join([*lines, "[[bands]]", 'name = "g"', ""])
    (folder / f"{name}.toml").write_text(text)


def findings(result: Result) -> dict[str, tuple[str, str]]:
    """What check-config printed: subject -> (mark, detail)."""
    found = {}
    for line in result.stdout.splitlines():
        mark, subject, detail = re.split(r"\s{2,}", line, maxsplit=2)
        found[subject] = mark, detail
    return found


def test_check_config_finds_a_fresh_data_directory_good_but_without_tiles(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_release(data / "releases")

    result = run("check-config", "--data", data)

    found = findings(result)
    assert found["data directory"] == ("ok", str(data))
    assert found["job files"] == ("ok", f"{data}/jobs (will be made)")
    assert found["job store"] == (
        "ok",
        f"{data}/soda.db (will be made by init-db or serve)",
    )
    assert found["queue"][1].startswith("its own, started by serve: /")
    assert found["release sky.toml"] == ("ok", "SKY, bands g, no tiles yet")
    assert found["default release"][0] == "WRONG"
    assert result.exit_code == 1
    assert list(data.iterdir()) == [data / "releases"]


def test_check_config_finds_defaults_that_are_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_release(data / "releases")
    with (data / "releases" / "sky.toml").open("a") as file:
        file.write('[defaults]\nXSIZE = "99"\n')

    mark, detail = findings(run("check-config", "--data", data))["release sky.toml"]

    assert mark == "WRONG"
    assert detail.startswith("release SKY, defaults: XSIZE: '99' is out of range")


def test_check_config_tells_all_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    write_release(data / "releases", "sky")
    (data / "releases" / "broken.toml").write_text("name = 1")
    (data / "soda.db").write_text("this is no database, but it is longer than one")
    (data / "jobs").write_text("")
    monkeypatch.setenv("SODA_QUEUE__URL", "redis://me:secret@127.0.0.1:1/0")

    result = run("check-config", "--data", data)

    found = findings(result)
    assert {subject for subject, (mark, _) in found.items() if mark == "WRONG"} >= {
        "job files",
        "job store",
        "queue",
        "release broken.toml",
        "default release",
    }
    assert found["job files"][1] == f"{data}/jobs is not a directory"
    assert found["release broken.toml"][1].startswith(f"{data}/releases/broken.toml")
    assert result.exit_code == 1
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("waiters", "mark", "detail"),
    [
        ("9", "ok", "up to 9 in each web process, which has 10 threads"),
        ("10", "WRONG", "jobs.waiters_max: 10 is not below web.threads = 10; clients in WAIT "),
    ],
    ids=["one left", "none left"],
)
def test_check_config_sees_that_waiting_clients_leave_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiters: str, mark: str, detail: str
) -> None:
    monkeypatch.setenv("SODA_WEB__THREADS", "10")
    monkeypatch.setenv("SODA_JOBS__WAITERS_MAX", waiters)
    found = findings(run("check-config", "--data", tmp_path))["waiting clients"]
    assert (found[0], found[1][: len(detail)]) == (mark, detail)


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        ({}, "accepted as Host: addresses, and .localhost, localhost"),
        ({"BASE_URL": "https://sky.example"}, "addresses, and .localhost, localhost, sky.example"),
        ({"PROXY_HOPS": "1"}, "any Host is accepted; set web.base_url or web.hosts"),
    ],
    ids=["this machine", "address", "proxy"],
)
def test_check_config_tells_by_which_names_the_service_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], detail: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"SODA_WEB__{name}", value)
    found = findings(run("check-config", "--data", tmp_path))["names"]
    assert found[0] == "ok"
    assert detail in found[1]


def test_check_config_lists_settings_without_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SODA_QUEUE__URL", "redis://me:hidden@127.0.0.1:1/0")
    monkeypatch.setenv("SODA_MAIL__PASSWORD", "hidden too")
    monkeypatch.setenv("SODA_WEBHOOKS__SECRET", "hidden as well")
    result = run("check-config", "--settings", "--data", tmp_path)
    lines = result.stdout.splitlines()
    assert f"data = {tmp_path}" in lines
    assert "queue.url = redis://me:***@127.0.0.1:1/0" in lines
    assert "web.port = 8000" in lines
    assert "mail.password = ***" in lines
    assert "webhooks.secret = ***" in lines
    assert "hidden" not in result.output


def write_images(folder: Path) -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, 20.0]
    wcs.wcs.crpix = [32.5, 32.5]
    wcs.wcs.cdelt = [-1e-4, 1e-4]
    noise = np.random.default_rng(1).normal(size=(64, 64)).astype("float32")
    folder.mkdir()
    for band in "gri":
        fits.PrimaryHDU(noise, wcs.to_header()).writeto(folder / f"field_{band}.fits")


def test_publish_makes_a_release_and_withdraws_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    images = tmp_path / "images"
    write_images(images)

    result = run("publish", images, "--name", "FIELD", "--title", "A field", "--data", data)
    assert (result.exit_code, result.output) == (
        0,
        "FIELD: 1 tiles, bands g, r, i, from 3 files\n",
    )
    found = findings(run("check-config", "--data", data))
    assert found["release field.toml"] == ("ok", "FIELD, bands g, r, i, 1 tiles")
    assert found["default release"] == ("ok", "FIELD")

    result = run("publish", images, "--name", "FIELD", "--remove", "--data", data)
    assert (result.exit_code, result.output) == (0, "FIELD: withdrawn\n")
    assert "release field.toml" not in findings(run("check-config", "--data", data))

    result = run("publish", tmp_path / "nowhere", "--name", "FIELD", "--data", data)
    assert result.exit_code == 2
    assert str(tmp_path / "nowhere") in result.stderr


def test_import_tiles_and_objects(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_release(data / "releases")
    tiles = tmp_path / "tiles.csv"
    tiles.write_text(
        "TILENAME,RA_CENT,DEC_CENT,RAC1,DECC1,RAC2,DECC2,RAC3,DECC3,RAC4,DECC4\n"
        "T1,10,20,9,19,11,19,11,21,9,21\n"
    )
    objects = tmp_path / "objects.csv"
    objects.write_text("COADD_OBJECT_ID,RA,DEC\n7,10.1,20.1\n8,10.2,20.2\n")

    result = run("import-tiles", "sky", tiles, "--data", data)
    assert (result.exit_code, result.output) == (0, "SKY: 1 tiles\n")
    result = run("import-objects", "sky", objects, "--data", data, "--replace")
    assert (result.exit_code, result.output) == (0, "SKY: 2 objects\n")
    assert findings(run("check-config", "--data", data))["default release"] == ("ok", "SKY")

    result = run("import-tiles", "land", tiles, "--data", data)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: there is no release 'land'; there are: SKY")
