"""Validation of TOML tables and environment variables by pydantic, with messages for operators.

This module handles kinds of values and the wording of errors, not the meaning of keys: settings and
release files are dataclasses whose annotations define what is allowed.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Interval
from pydantic import BeforeValidator, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails, PydanticKnownError

from soda_service.errors import ConfigError

__all__ = [
    "ANY_CASE",
    "Flag",
    "Folder",
    "Folders",
    "Integer",
    "Location",
    "Number",
    "Source",
    "read_toml",
    "source_of",
    "validate",
]

Table = TypeVar("Table")


@dataclass(frozen=True, slots=True)
class Source:
    """What validators know of the source of a table."""

    folder: Path
    """Folder to which relative paths refer."""

    is_text: bool = False
    """Whether all its values are text, as in the environment: text is a number or a flag there."""


# Any: values have any type before validation. pydantic takes numbers for flags, flags for numbers,
# and text for both.
def _only(fault: Any, *kinds: type) -> BeforeValidator:  # Any: one of pydantic's many literals
    def check(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) and source_of(info).is_text:
            return value.strip()
        if type(value) not in kinds:
            raise PydanticKnownError(fault)
        return value

    return BeforeValidator(check)


def _below(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"found {value!r}; expected a path")
    return Path(os.path.normpath(source_of(info).folder / Path(value).expanduser()))


def _located(value: Any, info: ValidationInfo) -> Any:
    is_path = isinstance(value, str) and value and "://" not in value
    return str(_below(value, info)) if is_path else value


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return [part for part in value.split(os.pathsep) if part]
    return value


Flag = Annotated[bool, _only("bool_type", bool)]
"""True or false; as text also yes, no, on, off, 1, 0."""

Integer = Annotated[int, _only("int_type", int, float)]
Number = Annotated[float, _only("float_type", int, float)]

ANY_CASE = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
"""For a Literal of words in lower case: also accepts upper case."""

Folder = Annotated[Path, BeforeValidator(_below)]
"""A directory; a relative path refers to the folder of its source."""

Folders = Annotated[tuple[Folder, ...], BeforeValidator(_listed)]
"""A list of directories; as text separated as in PATH."""

Location = Annotated[str, BeforeValidator(_located)]
"""A directory, as `Folder`, or a URL."""


def source_of(info: ValidationInfo) -> Source:
    """Return the source of the table that is validated."""
    source: Source = info.context  # type: ignore[assignment]  # validate() gives it
    return source


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        If it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def validate(kind: type[Table], values: Mapping[str, Any], source: Source, *, place: str) -> Table:
    """Validate a table and return it as a dataclass.

    Parameters
    ----------
    kind
        The dataclass, which includes those of its subtables.
    values
        The table: values of TOML's types, or text.
    source
        Where the table comes from.
    place
        The source's name for messages: the file's name, `environment`.

    Returns
    -------
    Table
        With defaults for all keys that are not in the table.

    Raises
    ------
    ConfigError
        If there are errors: one line each, with source, key, what was found and what is allowed.
    """
    try:
        adapter = _adapter(kind)  # type: ignore[arg-type]  # classes are hashable
        checked: Table = adapter.validate_python(values, context=source)
    except ValidationError as error:
        lines = []
        for fault in error.errors(include_url=False):
            steps = [step for step in fault["loc"] if step != "[key]"]  # error of a key itself
            lines.append(f"{place}: {_path(steps)}: {_text(fault, steps, kind)}")
        raise ConfigError("\n".join(lines)) from None  # pydantic's message may contain secrets
    return checked


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # Any: of whatever dataclass
    return TypeAdapter(kind)


def _path(place: Sequence[int | str]) -> str:
    """Return the place of an error: `web.port`, `bands[1].name`; the first of a list is 1."""
    steps = (f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".")


_EXPECTED = {
    "bool": "true or false",
    "dataclass": "a table",
    "dict": "a table",
    "finite": "a finite number",
    "float": "a number",
    "int": "an integer",
    "string": "text",
    "tuple": "a list",
}
"""By the first word of pydantic's error type: `int_type`, `int_parsing`, `int_from_float`."""


def _text(fault: ErrorDetails, place: Sequence[int | str], kind: type) -> str:
    """Return what was found and what is allowed."""
    name, value = fault["type"], fault["input"]
    *_, parent, hint = (None, *_hints(kind, place))
    match name:
        case "missing":
            text = "is missing"
        case "unexpected_keyword_argument":
            text = _unknown(str(place[-1]), value, tuple(get_type_hints(parent)))
        case "value_error":
            text = str(fault["ctx"]["error"])
        case "literal_error":
            text = f"{value!r} is not allowed; allowed: {', '.join(get_args(get_args(hint)[0]))}"
        case "greater_than" | "greater_than_equal" | "less_than_equal":
            limits = next(part for part in get_args(hint) if isinstance(part, Interval))
            text = f"{value!r} is out of bounds; allowed: {_allowed(limits)}"
        case "too_long":
            text = f"{len(value)} values found; allowed: {fault['ctx']['max_length']}"
        case _:
            found = "something else" if _is_secret(parent, place[-1]) else repr(value)
            expected = _EXPECTED.get(name.partition("_")[0])
            text = f"expected {expected}, found" if expected else f"{fault['msg']}, found"
            text = f"{text} {found}"
    return text


def _unknown(key: str, value: Any, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"
    return f"no such {'section' if isinstance(value, dict) else 'key'}; {hint}"


def _allowed(limits: Interval) -> str:
    if limits.le is not None:
        return f"{limits.ge} to {limits.le}"
    return f"at least {limits.ge}" if limits.gt is None else f"above {limits.gt}"


def _is_secret(parent: Any, key: int | str) -> bool:
    """Return whether a key's value must not be shown, as in the dataclass's repr."""
    field = getattr(parent, "__dataclass_fields__", {}).get(key)
    return field is not None and not field.repr


def _hints(kind: Any, place: Sequence[int | str]) -> Iterator[Any]:
    """Follow the place of an error from a dataclass down; return the annotation at each step."""
    yield kind
    for step in place:
        table = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        if is_dataclass(table):
            kind = get_type_hints(table, include_extras=True).get(str(step))
        else:
            kind = get_args(table)[-1 if get_origin(table) is dict else 0]
        if get_origin(kind) in (Union, UnionType):  # only `kind | None` is in use
            kind = get_args(kind)[0]
        yield kind
