"""Draws the table of settings in docs/configuration.md: `python docs/render_settings.py`."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from soda_service.config import model

PAGE = Path(__file__).parent / "configuration.md"
_PLACE = re.compile(r"(<!-- settings -->\n).*(<!-- /settings -->)", re.DOTALL)


def rendered(text: str) -> str:
    """Give the page with fresh tables."""
    tables = "\n".join(_tables())
    return _PLACE.sub(lambda match: f"{match[1]}\n{tables}\n{match[2]}", text)


def _tables() -> Iterator[str]:
    texts = _docstrings()
    yield from _head("Outside all sections", "")
    yield _row("data", "SODA_DATA", None, texts["Config", "data"])
    yield ""
    for section in fields(model.Config):
        if not is_dataclass(section.default):
            continue
        kind = type(section.default)
        yield from _head(f"[{section.name}]", inspect.getdoc(kind) or "")
        for field in fields(kind):
            variable = f"SODA_{section.name}__{field.name}".upper()
            text = texts[kind.__name__, field.name]
            yield _row(field.name, variable, getattr(section.default, field.name), text)
        yield ""


def _head(title: str, text: str) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    if text:
        yield text
        yield ""
    yield "| setting | variable | default | meaning |"
    yield "|---|---|---|---|"


def _row(name: str, variable: str, default: object, text: str) -> str:
    match default:
        case bool():
            shown = f"`{str(default).lower()}`"
        case None | "" | ():
            shown = ""
        case str():
            shown = f'`"{default}"`'
        case _:
            shown = f"`{default}`"
    return f"| `{name}` | `{variable}` | {shown} | {text} |"


def _docstrings() -> dict[tuple[str, str], str]:
    """Find the docstring under each field, by class and field."""
    found: dict[tuple[str, str], str] = {}
    defaults = [type(field.default) for field in fields(model.Config)]
    modules = {kind.__module__ for kind in defaults if is_dataclass(kind)} | {model.__name__}
    trees = [ast.parse(inspect.getsource(sys.modules[name])) for name in modules]
    for kind in (kind for tree in trees for kind in tree.body):
        if not isinstance(kind, ast.ClassDef):
            continue
        for field, below in zip(kind.body, kind.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[kind.name, name] = " ".join(text.split())
    return found


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
