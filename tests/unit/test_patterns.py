"""No pattern of the sources goes through a text again and again: time grows with the length."""

import ast
import importlib
import re
from collections import deque
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.cpu import cpu_limit

ROOT = Path(__file__).parents[2]
METHODS = frozenset({"match", "fullmatch", "search", "split", "sub", "findall", "finditer"})

TRIES = ((20_000, 0.05), (80_000, 0.5), (80_000, 0.5))
"""Characters, and the CPU time that is too long for them: the first try sorts out, the others make
sure on a busy machine. One pass over 80,000 takes up to 8 ms, a pass for each of them 3 s."""

UNITS = (
    *"0a.-+_ \t\r\n\"',;:/@%{<(=&\0é",
    *('""', "00.", "0e", "a.", "a@", "a,", "a-", "%20", "\\r", "//", "{a", '",', '" ', "::", "?a"),
)
STARTS = ("", "0", "a", '"', "a@a", "a/a", "http://a", "ivo://a/", "bytes=0-", "HIERARCH ")
ENDS = ("x", "\0")

Pattern = re.Pattern[Any]  # of str or of bytes


def patterns() -> Iterator[tuple[str, Pattern]]:
    """Give the patterns that modules keep under a name, by it and what is called of them."""
    paths = [path for top in ("uws", "soda_service") for path in sorted((ROOT / top).rglob("*.py"))]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    everywhere = {call for tree in trees.values() for call in calls(tree)}
    for path, tree in trees.items():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in compiled(tree):
            pattern = getattr(importlib.import_module(module), name)
            used = set(calls(tree)) if name.startswith("_") else everywhere
            for method in sorted(method for holder, method in used if holder == name):
                yield f"{module}.{name}.{method}", pattern


def compiled(tree: ast.Module) -> Iterator[str]:
    """Give the names that hold patterns."""
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(name)],
                value=ast.Call(func=ast.Attribute(value=ast.Name("re"), attr="compile")),
            ):
                yield name


def calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Give names and the methods of patterns that are called, or handed on, of them."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(name), attr=method) if method in METHODS:
                yield name, method


def is_slow(pattern: Pattern, method: str, text: str, limit_s: float) -> bool:
    given: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
    arguments = (given[:0], given) if method == "sub" else (given,)
    try:
        with cpu_limit(limit_s):
            found = getattr(pattern, method)(*arguments)
            if method == "finditer":
                deque(found, maxlen=0)
    except TimeoutError:
        return True
    return False


def slow_text(pattern: Pattern, method: str) -> str | None:
    """Find a text that takes too long in all tries."""
    for start, unit, end in product(STARTS, UNITS, ENDS):
        if all(
            is_slow(pattern, method, start + unit * (size // len(unit)) + end, limit_s)
            for size, limit_s in TRIES
        ):
            return f"{start!r}, {unit!r} again and again, {end!r}"
    return None


PATTERNS = dict(patterns())


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_time_in_proportion_to_the_text(name: str) -> None:
    assert slow_text(PATTERNS[name], name.rpartition(".")[2]) is None


@pytest.mark.parametrize(
    ("pattern", "method"),
    [(r"[0-9]+\.?[0-9]*", "fullmatch"), (r"[a-z]+;", "search"), (r"(a+)+b", "match")],
)
def test_patterns_that_backtrack_are_found(pattern: str, method: str) -> None:
    assert slow_text(re.compile(pattern), method) is not None


def test_all_kinds_of_patterns_are_looked_at() -> None:
    assert {
        "soda_service.request.parsing._FLOAT.fullmatch",
        "soda_service.request.csvtext._LITERAL_ENDING.split",
        "soda_service.cutouts.journal._MARKS.findall",
        "uws.dali.ILLEGAL_IN_XML.search",  # in other modules,
    } <= PATTERNS.keys()
