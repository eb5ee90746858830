"""Cells of a VOTable as texts: nulls are empty, numbers keep every digit that they have."""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soda_service.errors import Fault, OptionsError

__all__ = ["RowReader", "VotField", "text_cell"]

_TRUTH: Mapping[str, str] = {"T": "true", "TRUE": "true", "1": "true"} | {
    "F": "false", "FALSE": "false", "0": "false",
}  # fmt: skip
_FLOATS = frozenset({"float", "double", "floatComplex", "doubleComplex"})

_STRUCT: Mapping[str, str] = {
    "unsignedByte": "B", "short": "h", "int": "i", "long": "q", "float": "f", "double": "d",
}  # fmt: skip
_BYTES: Mapping[str, int] = {
    "boolean": 1, "char": 1, "unicodeChar": 2, "unsignedByte": 1, "short": 2, "int": 4,
    "long": 8, "float": 4, "double": 8, "floatComplex": 8, "doubleComplex": 16,
}  # fmt: skip
"""Of an element (VOTable 1.4, table in section 2.1)."""

_Cell = tuple[str, int]


@dataclass(slots=True)
class VotField:
    """A column."""

    name: str
    datatype: str
    arraysize: str
    unit: str
    ucd: str
    null: str | None = None
    """What stands for no value, among whole numbers."""

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> "VotField":
        """Read the attributes of a FIELD; one without a name is called by its ID."""
        name = attributes.get("name") or attributes.get("ID", "")
        get = attributes.get
        return cls(
            name, get("datatype", "char"), get("arraysize", ""), get("unit", ""), get("ucd", "")
        )


def text_cell(field: VotField, text: str) -> str:
    """Give the text of a TD as a cell: empty where it stands for no value."""
    if field.datatype in {"char", "unicodeChar"}:
        return text
    text = text.strip()
    if field.datatype == "boolean":
        return _TRUTH.get(text.upper(), "" if text in {"?", ""} else text)
    is_null = text == field.null or (field.datatype in _FLOATS and text.lower() == "nan")
    return "" if is_null else text


class RowReader:
    """Reads rows of BINARY or BINARY2.

    Parameters
    ----------
    has_nulls
        Whether bits before each row tell which cells have no value: BINARY2.

    Raises
    ------
    OptionsError
        For a column of an unknown type.
    """

    def __init__(self, fields: Sequence[VotField], *, has_nulls: bool) -> None:
        self._mask_bytes = (len(fields) + 7) // 8 if has_nulls else 0
        self._readers = [_reader(field) for field in fields]

    def read(self, data: bytes, at: int) -> tuple[list[str], int] | None:
        """Give the cells of the row that begins somewhere, and where the next one begins.

        None where the row is not whole yet.
        """
        mask = int.from_bytes(data[at : at + self._mask_bytes], "big")
        place = at + self._mask_bytes
        bits = 8 * self._mask_bytes
        cells = []
        for number, read in enumerate(self._readers):
            found = read(data, place)
            if found is None:
                return None
            text, place = found
            is_null = bits and mask >> (bits - 1 - number) & 1
            cells.append("" if is_null else text)
        return cells, place


def _reader(field: VotField) -> Callable[[bytes, int], _Cell | None]:
    if field.datatype != "bit" and field.datatype not in _BYTES:
        message = f"column {field.name[:40]!r} has the unknown datatype {field.datatype[:40]!r}"
        raise OptionsError((Fault(f"the table's {message}"),))
    fixed = _count(field)

    def read(data: bytes, at: int) -> _Cell | None:
        count = fixed
        if count is None:
            if at + 4 > len(data):
                return None
            count = int.from_bytes(data[at : at + 4], "big")
            at += 4
        size = (count + 7) // 8 if field.datatype == "bit" else count * _BYTES[field.datatype]
        if at + size > len(data):
            return None
        return _text(field, data[at : at + size], count), at + size

    return read


def _count(field: VotField) -> int | None:
    """Give the number of elements of a cell; None where each tells its own."""
    sizes = field.arraysize.strip()
    if not sizes:
        return 1
    if sizes.endswith("*"):
        return None
    try:
        return math.prod(int(size) for size in sizes.split("x"))
    except ValueError as error:
        message = f"column {field.name[:40]!r} has the unknown arraysize {sizes[:40]!r}"
        raise OptionsError((Fault(f"the table's {message}"),)) from error


def _text(field: VotField, data: bytes, count: int) -> str:
    match field.datatype:
        case "char":
            text = data.partition(b"\0")[0].decode("utf-8", "replace")
        case "unicodeChar":
            text = data.decode("utf-16-be", "replace").partition("\0")[0]
        case "boolean":
            text = " ".join(_TRUTH.get(chr(byte).upper(), "") for byte in data).strip()
        case "bit":
            # A single bit is the first by the standard; astropy writes and reads the fifth.
            bits = "".join(f"{byte:08b}" for byte in data)
            text = str(int("1" in bits)) if count == 1 else bits[:count]
        case "floatComplex" | "doubleComplex":
            half = "float" if field.datatype == "floatComplex" else "double"
            text = _numbers(half, data, 2 * count, None)
        case kind:
            text = _numbers(kind, data, count, field.null)
    return text


def _numbers(kind: str, data: bytes, count: int, null: str | None) -> str:
    values = struct.unpack(f">{count}{_STRUCT[kind]}", data)
    if kind == "float":
        texts = [str(np.float32(value)) for value in values]
    else:
        texts = [repr(value) for value in values]
    if len(texts) == 1 and (texts[0] == null or texts[0] == "nan"):
        return ""
    return " ".join(texts)
