"""VOSI 1.1's `/tables`: the columns that `/sia2` returns."""

from lxml import etree

from soda_service.formats.votable import Field
from soda_service.vo.capabilities import NAMES, XSI
from soda_service.vo.obscore import COLUMNS

__all__ = ["TABLE_NAME", "table_document", "tables_document"]

_TABLES = "http://www.ivoa.net/xml/VOSITables/v1.0"

TABLE_NAME = "images"


def tables_document(*, with_columns: bool) -> bytes:
    """Return the document of all tables, of which there is one (VOSI-9)."""
    root = etree.Element(f"{{{_TABLES}}}tableset", nsmap={"vosi": _TABLES, **NAMES})
    schema = etree.SubElement(root, "schema")
    etree.SubElement(schema, "name").text = "default"
    _describe(etree.SubElement(schema, "table"), with_columns=with_columns)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def table_document() -> bytes:
    """Return the document of the table."""
    root = etree.Element(f"{{{_TABLES}}}table", nsmap={"vosi": _TABLES, **NAMES})
    _describe(root, with_columns=True)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def _describe(table: etree._Element, *, with_columns: bool) -> None:
    etree.SubElement(table, "name").text = TABLE_NAME
    etree.SubElement(table, "description").text = "The images that /sia2 lists (ObsCore)"
    for column in COLUMNS if with_columns else ():
        _describe_column(etree.SubElement(table, "column"), column)


def _describe_column(element: etree._Element, column: Field) -> None:
    values = {
        "name": column.name,
        "description": column.description,
        "unit": column.unit,
        "ucd": column.ucd,
        "utype": column.utype,
    }
    for name, text in values.items():
        if text:
            etree.SubElement(element, name).text = text
    datatype = etree.SubElement(element, "dataType")
    datatype.set(f"{{{XSI}}}type", "vs:VOTableType")
    if column.arraysize:
        datatype.set("arraysize", column.arraysize)
    datatype.text = column.datatype
