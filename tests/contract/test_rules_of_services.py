"""Each rule of SODA, DataLink, SIA and VOSI, and each trap, has a test with its number."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
RANGES = {
    "soda_": range(1, 31), "soda_t": range(1, 13), "dl_": range(1, 24), "dl_t": range(1, 9),
    "sia_": range(1, 15), "sia_t": range(1, 4), "vosi_": range(1, 11), "vosi_t": range(1, 7),
    "dali_": range(20, 32), "dali_t": range(1, 6),
}  # fmt: skip
UNKEPT = {
    "dl_15": "an optional column, link_authorized: whoever may ask may have what is linked",
    "dali_24": "a draft's words for a shape that is not supported: SODA's label comes first",
    "sia_10": "a draft's parameter, RELEASEDATE: releases do not tell when they came out",
}
"""What this service does not do, and why."""


def _names() -> Iterator[str]:
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name.removeprefix("test_")


def _rules_of(name: str) -> Iterator[str]:
    """Read `soda_8_t2_dali_1_...` as SODA-8, SODA-T2 and DALI-1."""
    standard = ""
    for word in name.split("_"):
        if word in {"soda", "dl", "sia", "vosi", "dali", "sso", "uws"}:
            standard = word
        elif standard and re.fullmatch(r"t?\d+", word):
            yield f"{standard}_{word}"
        else:
            return


TESTED = {rule for name in _names() for rule in _rules_of(name)}
RULES = [f"{standard}{number}" for standard, numbers in RANGES.items() for number in numbers]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_tested_or_says_why_not(rule: str) -> None:
    assert (rule in TESTED) != (rule in UNKEPT)
