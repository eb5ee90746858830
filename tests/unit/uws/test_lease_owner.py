"""Who holds a lease, and whether that process is dead."""

import os
import subprocess
import sys

import pytest

from uws.lease_owner import is_alive, is_dead, this_holder

_PRINT = "from uws.lease_owner import this_holder; print(this_holder(), flush=True); input()"


def _field(holder: str, place: int, value: str) -> str:
    fields = holder.split("/")
    fields[place] = value
    return "/".join(fields)


@pytest.mark.parametrize("holder", ["", "host", "a/b/c/1/e", "a/b/c/1/e/f/g"], ids=repr)
def test_foreign_text_is_never_dead(holder: str) -> None:
    assert not is_dead(holder)


def test_this_process_lives() -> None:
    assert not is_dead(this_holder())


def test_each_attempt_has_a_name_of_its_own() -> None:
    first, second = this_holder(), this_holder()
    assert first != second
    assert first.rpartition("/")[0] == second.rpartition("/")[0]


def test_a_process_lives_until_it_is_killed() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _PRINT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        holder = process.stdout.readline().strip()
        assert not is_dead(holder)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(holder), "a zombie works no more"
    assert is_dead(holder)


@pytest.mark.parametrize(
    ("place", "expected"),
    [(0, False), (1, False), (2, False), (4, True), (5, False)],
    ids=["host", "boot", "namespace", "start", "token"],
)
def test_only_what_can_be_known_is_judged(place: int, expected: bool) -> None:
    assert is_dead(_field(this_holder(), place, "0")) == expected


def test_without_procfs_nothing_is_judged() -> None:
    assert not is_dead(_field(_field(this_holder(), 1, ""), 4, "0"))
    assert not is_dead(_field(this_holder(), 4, ""))


@pytest.mark.parametrize(
    ("place", "expected"),
    [(0, True), (1, False), (2, False), (4, False), (5, True)],
    ids=["host", "boot", "namespace", "start", "token"],
)
def test_who_cannot_be_judged_is_not_alive_either(place: int, expected: bool) -> None:
    assert is_alive(_field(this_holder(), place, "0")) == expected
    assert not is_alive("host")
