"""Cells of a VOTable as text: nulls are empty, numbers keep all their digits."""

import math
import re
import struct
from collections.abc import Mapping, Sequence
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
"""Bytes of one element (VOTable 1.4, table in section 2.1)."""

_ARRAYSIZE = re.compile(r"(?:[0-9]+x)*(?:[0-9]+|[0-9]*\*)", re.ASCII)
_ARRAYSIZE_MAX = 100
"""Largest number of characters; the product of more numbers would take long and is useless."""


@dataclass(slots=True)
class VotField:
    """A column."""

    name: str
    datatype: str
    arraysize: str
    unit: str
    ucd: str
    null: str | None = None
    """Null value of an integer column."""

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> "VotField":
        """Read the attributes of a FIELD; its ID replaces a missing name."""
        name = attributes.get("name") or attributes.get("ID", "")
        get = attributes.get
        return cls(
            name, get("datatype", "char"), get("arraysize", ""), get("unit", ""), get("ucd", "")
        )


def text_cell(field: VotField, text: str) -> str:
    """Return the text of a TD as a cell: empty if it is null."""
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
        Whether bits before each row mark its null cells (BINARY2).

    Raises
    ------
    OptionsError
        If a column has an unknown type.
    """

    def __init__(self, fields: Sequence[VotField], *, has_nulls: bool) -> None:
        self._mask_bytes = (len(fields) + 7) // 8 if has_nulls else 0
        self._fields = tuple(fields)
        self._counts = tuple(map(_count, fields))

    def read(self, data: bytes | bytearray, at: int) -> tuple[list[str], int] | None:
        """Return the cells of the row at an offset, and the offset of the next row.

        Return None if the row is incomplete; this check takes no longer for longer cells.

        Raises
        ------
        OptionsError
            If rows have no bytes, because there would be infinitely many of them.
        """
        places = self._places(data, at + self._mask_bytes)
        if places is None:
            return None
        end = places[-1][1] if places else at
        if end == at:
            raise _wrong("rows are empty; at least one column needs an arraysize of 1 or more")
        mask = int.from_bytes(data[at : at + self._mask_bytes], "big")
        bits = 8 * self._mask_bytes
        cells = []
        for number, (start, stop, count) in enumerate(places):
            is_null = bits and mask >> (bits - 1 - number) & 1
            is_empty = is_null or start == stop
            cells.append("" if is_empty else _text(self._fields[number], data[start:stop], count))
        return cells, end

    def _places(self, data: bytes | bytearray, at: int) -> list[tuple[int, int, int]] | None:
        """Return the start, end and number of elements of each cell of a row."""
        places: list[tuple[int, int, int]] = []
        if at > len(data):
            return None
        for field, fixed in zip(self._fields, self._counts, strict=True):
            count = fixed
            if count is None:
                if at + 4 > len(data):
                    return None
                count = int.from_bytes(data[at : at + 4], "big")
                at += 4
            size = (count + 7) // 8 if field.datatype == "bit" else count * _BYTES[field.datatype]
            if at + size > len(data):
                return None
            places.append((at, at + size, count))
            at += size
        return places


def _count(field: VotField) -> int | None:
    """Return the number of elements of a cell; None if each cell stores its own."""
    name = field.name[:40]
    if field.datatype != "bit" and field.datatype not in _BYTES:
        raise _wrong(f"column {name!r} has the unknown datatype {field.datatype[:40]!r}")
    sizes = field.arraysize.strip()
    if not sizes:
        return 1
    if len(sizes) > _ARRAYSIZE_MAX or not _ARRAYSIZE.fullmatch(sizes):
        raise _wrong(
            f"column {name!r} has the unknown arraysize {sizes[:40]!r}; "
            "allowed: integers, as in 5, 2x3, * or 2x*"
        )
    return None if sizes.endswith("*") else math.prod(map(int, sizes.split("x")))


def _wrong(message: str) -> OptionsError:
    return OptionsError((Fault(f"the table's {message}"),))


def _text(field: VotField, data: bytes | bytearray, count: int) -> str:
    match field.datatype:
        case "char":
            text = data.partition(b"\0")[0].decode("utf-8", "replace")
        case "unicodeChar":
            text = data.decode("utf-16-be", "replace").partition("\0")[0]
        case "boolean":
            text = " ".join(_TRUTH.get(chr(byte).upper(), "") for byte in data).strip()
        case "bit":
            # By the standard a single bit is the first one; astropy writes and reads the fifth.
            bits = "".join(f"{byte:08b}" for byte in data)
            text = str(int("1" in bits)) if count == 1 else bits[:count]
        case "floatComplex" | "doubleComplex":
            half = "float" if field.datatype == "floatComplex" else "double"
            text = _numbers(half, data, 2 * count, None)
        case kind:
            text = _numbers(kind, data, count, field.null)
    return text


def _numbers(kind: str, data: bytes | bytearray, count: int, null: str | None) -> str:
    values = struct.unpack(f">{count}{_STRUCT[kind]}", data)
    if kind == "float":
        texts = [str(np.float32(value)) for value in values]
    else:
        texts = [repr(value) for value in values]
    if len(texts) == 1 and (texts[0] == null or texts[0] == "nan"):
        return ""
    return " ".join(texts)
