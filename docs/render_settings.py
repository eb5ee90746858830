"""Generate the tables of settings in docs/configuration.md: `python docs/render_settings.py`."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from pydantic import TypeAdapter

from soda_service.config.model import Config

PAGE = Path(__file__).parent / "configuration.md"
_PLACE = re.compile(r"(<!-- settings -->\n).*(<!-- /settings -->)", re.DOTALL)


def rendered(text: str) -> str:
    """Return the page with updated tables."""
    tables = "\n".join(_tables())
    return _PLACE.sub(lambda match: f"{match[1]}\n{tables}\n{match[2]}", text)


def _tables() -> Iterator[str]:
    # Not part of Config itself: reading docstrings would make each start slower.
    Config.__pydantic_config__["use_attribute_docstrings"] = True
    schema = TypeAdapter(Config).json_schema()
    yield from _head("Outside all sections", "")
    yield _row("data", "SODA_DATA", None, schema["properties"]["data"]["description"])
    yield ""
    for section in fields(Config):
        if not is_dataclass(section.default):
            continue
        described = schema["$defs"][type(section.default).__name__]
        yield from _head(f"[{section.name}]", described["description"])
        for field in fields(section.default):
            variable = f"SODA_{section.name}__{field.name}".upper()
            text = described["properties"][field.name]["description"]
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
    return f"| `{name}` | `{variable}` | {shown} | {' '.join(text.split())} |"


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
