"""The front door of the package: its names, and that they cost nothing until they are used."""

import subprocess
import sys
from importlib import import_module

import pytest

import uws


@pytest.mark.parametrize("name", uws.__all__)
def test_a_name_is_that_of_its_module(name: str) -> None:
    assert getattr(uws, name) is getattr(import_module(uws._HOMES[name]), name)


def test_its_names_are_those_that_have_a_module() -> None:
    assert sorted(uws._HOMES) == sorted(uws.__all__)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="module 'uws' has no attribute 'JobStorage'"):
        getattr(uws, "JobStorage")  # noqa: B009 - no type checker knows it


@pytest.mark.parametrize(
    ("code", "loaded"),
    [("import uws", False), ("import uws; uws.Plan", False), ("import uws; uws.open_store", True)],
    ids=["front", "values", "store"],
)
def test_a_part_is_imported_when_it_is_used(code: str, *, loaded: bool) -> None:
    asked = f"{code}; import sys; print('sqlalchemy' in sys.modules, 'flask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loaded} False\n"
