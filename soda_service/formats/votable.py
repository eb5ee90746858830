"""VOTable 1.4 as a stream of bytes: a results table, service descriptors, errors.

Rows are written as text, without an XML library: 10,000 of them take as long as 100 elements of a
tree. Everything is escaped here, and nowhere else.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from uws.dali import ILLEGAL_IN_XML

__all__ = [
    "MEDIA_TYPE",
    "Descriptor",
    "Field",
    "Info",
    "Param",
    "Table",
    "error_votable",
    "votable_head",
    "votable_rows",
    "votable_tail",
    "write_votable",
]

MEDIA_TYPE = "application/x-votable+xml"

_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
)
_TAIL = "</VOTABLE>\n"

_ROWS_AT_ONCE = 200
"""Some 150 KB: few writes to the network, and little memory."""

_SPECIAL = re.compile(f'[&<>"\t\n\r]|{ILLEGAL_IN_XML.pattern}')
_ENTITIES: Mapping[str, str] = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;",
    # In an attribute these would come back as blanks.
    "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """Description of a column or a parameter. Empty texts are not written."""

    name: str
    datatype: str
    arraysize: str = ""
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    xtype: str = ""
    description: str = ""
    id: str = ""
    """XML ID: once in a document."""

    ref: str = ""
    """ID of what this belongs to: of a column its `COOSYS`, of a parameter the column whose cell
    is its value."""


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter with its value and its allowed values."""

    field: Field
    value: str = ""
    """As VOTable writes it; empty where it is open. A scalar number needs one: pyvo fails on
    those that are empty."""

    minimum: str = ""
    maximum: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Info:
    """A named remark about the table."""

    name: str
    value: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A results table without its rows."""

    name: str
    fields: tuple[Field, ...]
    infos: tuple[Info, ...] = ()
    systems: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """`COOSYS` and `TIMESYS`: attributes by element."""

    description: str = ""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A service that can be called with what the table holds (DataLink 1.1, section 4)."""

    name: str
    access_url: str
    inputs: tuple[Param, ...]
    standard_id: str = ""
    description: str = ""
    content_type: str = ""
    id: str = ""
    """XML ID, for a column `service_def`."""

    is_this: bool = False
    """Whether it is the service that wrote the document (DL-22)."""

    example_urls: tuple[str, ...] = field(default=())


def write_votable(
    table: Table,
    rows: Iterable[Sequence[str]],
    descriptors: Sequence[Descriptor] = (),
    *,
    is_cut: bool = False,
) -> Iterator[bytes]:
    """Write a document of one results table (DALI 1.1, section 4.4).

    Parameters
    ----------
    rows
        Texts in the order of the table's fields, as TABLEDATA writes values; empty is null.
    descriptors
        Services; pyvo takes the first that fits (DL-T2).
    is_cut
        Whether there are more rows than written; stated after the table (DALI-28).

    Yields
    ------
    bytes
        Pieces of the document, each of many rows.
    """
    yield votable_head(table)
    rows = iter(rows)
    while block := votable_rows(islice(rows, _ROWS_AT_ONCE)):
        yield block
    yield votable_tail(descriptors, is_cut=is_cut)


def votable_head(table: Table) -> bytes:
    """Return the document up to the rows of a results table."""
    infos = (Info("QUERY_STATUS", "OK"), *table.infos)
    head = [
        _HEAD,
        '<RESOURCE type="results">\n',
        _description(table.description),
        *map(_info, infos),
        *(f"{_tag(name, attributes)}/>\n" for name, attributes in table.systems.items()),
        _tag("TABLE", {"name": table.name}) + ">\n",
        *map(_field, table.fields),
        "<DATA><TABLEDATA>\n",
    ]
    return "".join(head).encode()


def votable_rows(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows, texts as `write_votable` takes them, as elements of TABLEDATA."""
    return "".join(map(_row, rows)).encode()


def votable_tail(descriptors: Sequence[Descriptor] = (), *, is_cut: bool = False) -> bytes:
    """Return the document after the rows; parameters as in `write_votable`."""
    tail = [
        "</TABLEDATA></DATA>\n</TABLE>\n",
        _info(Info("QUERY_STATUS", "OVERFLOW")) if is_cut else "",
        "</RESOURCE>\n",
        *map(_descriptor, descriptors),
        _TAIL,
    ]
    return "".join(tail).encode()


def error_votable(message: str) -> bytes:
    """Write the document of an error (DALI-29).

    Parameters
    ----------
    message
        Begins with the standard's word: `UsageFault: ...` (DL-9, SIA-14).
    """
    status = _info(Info("QUERY_STATUS", "ERROR", message))
    return f'{_HEAD}<RESOURCE type="results">\n{status}</RESOURCE>\n{_TAIL}'.encode()


def _escaped(text: str) -> str:
    """Escape a text for an element or attribute; replace illegal characters by blanks."""
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], " "), text)


def _row(cells: Sequence[str]) -> str:
    if _SPECIAL.search("".join(cells)):
        cells = [_escaped(cell) for cell in cells]
    return f"<TR><TD>{'</TD><TD>'.join(cells)}</TD></TR>\n"


def _tag(name: str, attributes: Mapping[str, str]) -> str:
    """Return an opening tag without its end; empty attributes are omitted."""
    written = "".join(f' {key}="{_escaped(text)}"' for key, text in attributes.items() if text)
    return f"<{name}{written}"


def _element(opening: str, name: str, content: str) -> str:
    return f"{opening}>{content}</{name}>\n" if content else f"{opening}/>\n"


def _description(text: str) -> str:
    return f"<DESCRIPTION>{_escaped(text)}</DESCRIPTION>\n" if text else ""


def _info(info: Info) -> str:
    opening = _tag("INFO", {"name": info.name, "value": info.value})
    return _element(opening, "INFO", _escaped(info.text))


def _attributes(described: Field) -> dict[str, str]:
    return {
        "ID": described.id,
        "name": described.name,
        "ref": described.ref,
        "datatype": described.datatype,
        "arraysize": described.arraysize,
        "unit": described.unit,
        "ucd": described.ucd,
        "utype": described.utype,
        "xtype": described.xtype,
    }


def _field(column: Field) -> str:
    return _element(_tag("FIELD", _attributes(column)), "FIELD", _description(column.description))


def _param(param: Param) -> str:
    # The value is written even where it is empty: the schema wants it (SODA-30).
    opening = f'{_tag("PARAM", _attributes(param.field))} value="{_escaped(param.value)}"'
    limits = [
        *(f"{_tag('MIN', {'value': text})}/>" for text in [param.minimum] if text),
        *(f"{_tag('MAX', {'value': text})}/>" for text in [param.maximum] if text),
        *(f"{_tag('OPTION', {'value': text})}/>" for text in param.options),
    ]
    values = f"<VALUES>{''.join(limits)}</VALUES>\n" if limits else ""
    return _element(opening, "PARAM", _description(param.field.description) + values)


def _descriptor(service: Descriptor) -> str:
    text = Field("", "char", "*")
    facts = [
        ("accessURL", service.access_url),
        ("standardID", service.standard_id),
        ("contentType", service.content_type),
        *(("exampleURL", url) for url in service.example_urls),
    ]
    utype = "adhoc:this" if service.is_this else "adhoc:service"
    attributes = {"ID": service.id, "name": service.name, "type": "meta", "utype": utype}
    return "".join(
        [
            _tag("RESOURCE", attributes) + ">\n",
            _description(service.description),
            *(_param(Param(replace(text, name=name), value)) for name, value in facts if value),
            '<GROUP name="inputParams">\n',
            *map(_param, service.inputs),
            "</GROUP>\n</RESOURCE>\n",
        ]
    )
