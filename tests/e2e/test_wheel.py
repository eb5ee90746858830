"""The wheel, built and installed as an operator does it, and used far from its source."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest

from soda_service import __version__

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("conf", "soda_service", "uws", "pyproject.toml", "README.md", "LICENSE")
RELEASE_FILES = tuple((ROOT / "conf" / "releases").glob("*.toml"))


def ran(*command: object, folder: Path, status: int = 0) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SODA_")}
    clean.pop("PYTHONPATH", None)
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy of the source: what was built there before is not in it."""
    if int(version("setuptools").partition(".")[0]) < 77:
        pytest.skip("needs setuptools 77 or later, see pyproject.toml")
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCE:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder)
    ran(sys.executable, "-m", "pip", "wheel", *options, source, folder=source)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has nothing but the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True, with_pip=False)
    programs = folder / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    ran(*pip, "install", "--no-deps", "--no-index", wheel, folder=folder)
    packages = Path(ran(programs / "python", "-c", WHERE, folder=folder).strip())
    # Its dependencies are those of the tests. Their own way to the source is not followed there.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"
RELEASES = """
from pathlib import Path
import soda_service
from soda_service.config.load import load_config
from soda_service.sky.releases import Releases
print(Path(soda_service.__file__).parents[1])
print(*(release.name for release in Releases(load_config().release_folders()).all()))
"""


def test_one_wheel_for_all_versions_of_python(wheel: Path) -> None:
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name == f"soda_service-{__version__}-cp311-abi3-{platform}.whl"


def test_all_files_of_the_packages_are_in_the_wheel(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in ("soda_service", "uws")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".so")
    }
    expected |= {f"soda_service/conf/releases/{path.name}" for path in RELEASE_FILES}
    found = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert found - {"soda_service/engine/_native.abi3.so"} == expected


def test_the_installed_service_works_in_another_directory(installed: Path, tmp_path: Path) -> None:
    program = installed / "soda-service"
    assert ran(program, "--version", folder=tmp_path) == f"soda-service, version {__version__}\n"
    home, names = ran(installed / "python", "-c", RELEASES, folder=tmp_path).splitlines()
    assert not Path(home).is_relative_to(ROOT)
    assert names.split() == ["DR1", "DR2", "Y6A2"]

    # No release has tiles yet, so there is no default one: status 1.
    checked = ran(program, "check-config", "--data", tmp_path / "data", folder=tmp_path, status=1)
    found = dict(line.split(None, 1)[::-1] for line in checked.splitlines())
    wrong = [subject for subject, mark in found.items() if mark != "ok"]
    assert [subject.split()[:2] for subject in wrong] == [["default", "release"]]
    for path in RELEASE_FILES:
        assert f"ok     release {path.name}" in checked


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")
def test_the_compiled_loops_are_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "from soda_service.engine.compiled import engine_path; print(engine_path())"
    assert ran(installed / "python", "-c", code, folder=tmp_path) == "compiled\n"
