"""Who holds a lease, and whether that process is dead."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from uws.lease_owner import is_dead, is_killable, is_task, kill, this_holder

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


@contextmanager
def process(*, is_task: bool) -> Iterator[str]:
    """Give the holder of a process in a group of its own, as RQ's have them."""
    with subprocess.Popen(
        [sys.executable, "-c", _PRINT.replace("this_holder()", f"this_holder({is_task=})")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as popen:
        assert popen.stdout is not None
        yield popen.stdout.readline().strip()
        popen.kill()


def test_a_task_is_killed() -> None:
    with process(is_task=True) as holder:
        assert is_task(holder)
        assert is_killable(holder)
        assert kill(holder)
        assert is_dead(holder)
        assert not is_killable(holder)
        assert kill(holder), "it is dead already"


def test_what_is_more_than_a_task_is_not_killed() -> None:
    with process(is_task=False) as holder:
        assert not is_task(holder)
        assert not kill(holder)
        assert not is_dead(holder)


def test_nobody_kills_himself() -> None:
    mine = this_holder(is_task=True)
    assert is_task(mine)
    assert not is_killable(mine)
    assert not kill(mine)


@pytest.mark.parametrize(
    ("place", "expected"),
    [(0, True), (1, False), (2, False), (4, False), (5, False)],
    ids=["host", "boot", "namespace", "start", "token"],
)
def test_who_cannot_be_judged_is_not_killed(place: int, expected: bool) -> None:
    with process(is_task=True) as holder:
        other = _field(holder, place, "0")
        assert is_killable(other) == expected
        assert kill(other) == (expected or place == 4)
        assert is_dead(holder) == expected


def test_foreign_text_is_not_killed() -> None:
    assert not is_killable("host")
    assert not kill("host/task-1")
