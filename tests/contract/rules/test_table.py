"""The table of rules is whole, and each of its rules has tests on both servers, or a reason."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from tests.contract.rules.table import RULES

SERVERS = ("toy", "cutout")
RANGES = {"UWS-": 53, "DALI-": 19, "UWS-T": 20, "DALI-T": 5}


def _rules_of(name: str) -> set[str]:
    """Read the numbers in a test's name: `test_uws_14_t12_...` is of UWS-14 and UWS-T12."""
    standard, rules = "", set()
    for word in name.removeprefix("test_").split("_"):
        if word in {"uws", "dali"}:
            standard = word.upper()
        elif standard and re.fullmatch(r"t?\d+", word):
            rules.add(f"{standard}-{word.upper()}")
        else:
            break
    return rules


def _servers_of(function: ast.FunctionDef) -> set[str]:
    fixtures = {argument.arg for argument in function.args.args}
    return set(SERVERS) if "target" in fixtures else fixtures & set(SERVERS)


@cache
def _observed() -> dict[str, set[str]]:
    """Give the servers on which the tests of this folder observe each rule."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for rule in _rules_of(node.name):
                    found[rule] |= _servers_of(node)
    return found


def test_the_table_has_every_rule_and_no_other() -> None:
    expected = {f"{name}{n + 1}" for name, count in RANGES.items() for n in range(count)}
    assert set(RULES) == expected


@pytest.mark.parametrize("rule", list(RULES))
def test_a_rule_is_observed_on_both_servers_or_says_why_not(rule: str) -> None:
    observed = _observed().get(rule, set())
    unobserved = set(RULES[rule].unobserved)
    assert (observed | unobserved, observed & unobserved) == (set(SERVERS), set())


def test_no_test_is_of_a_rule_that_is_not_there() -> None:
    assert set(_observed()) <= set(RULES)
