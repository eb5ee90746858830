"""The shape of the code: sizes of files, functions and folders, and imports without circles."""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("uws", "soda_service")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in path.parts
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
SOURCES = [
    path
    for package in ("uws", "soda_service")
    for ending in ("py", "js", "c", "h")
    for path in sorted((ROOT / package).rglob(f"*.{ending}"))
]


def imported(tree: ast.AST) -> Iterator[str]:
    """Find the modules of ours that a module imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in MODULES or node.module in MODULES:
                    yield full if full in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


IMPORTS = {name: set(imported(tree)) - {name} for name, tree in TREES.items()}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_a_function_has_at_most_50_lines() -> None:
    long = {
        f"{name}.{node.name}": lines
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := body_lines(node)) > 50
    }
    assert long == {}


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or 0) - first.lineno + 1


def test_a_folder_has_at_most_20_modules() -> None:
    folders = Counter(path.parent for path in MODULES.values())
    assert {folder: number for folder, number in folders.items() if number > 20} == {}


REGISTERS = {"soda_service.routes", "soda_service.formats", "soda_service.engine.colour.methods"}
"""Modules that import one module for each of their rows, however small."""


def test_a_small_module_serves_several() -> None:
    importers = Counter(target for targets in IMPORTS.values() for target in targets)
    small = [
        name
        for name, path in MODULES.items()
        if path.name not in {"__init__.py", "__main__.py"}
        and len(path.read_text().splitlines()) < 40
        and importers[name] == 1
        and not any(name in IMPORTS[register] for register in REGISTERS)
    ]
    assert small == []


def test_no_imports_go_round() -> None:
    TopologicalSorter(IMPORTS).prepare()
