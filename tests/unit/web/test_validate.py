"""`/validate` in the test's own process: what it leaves behind."""

import io
import os
from pathlib import Path

import pytest

from tests.cpu import cpu_limit
from tests.unit.web.conftest import Open

BINARY = (
    '<VOTABLE><RESOURCE><TABLE><FIELD name="RA" datatype="int" arraysize="{}"/><DATA><BINARY>'
    '<STREAM encoding="base64">AAAA</STREAM></BINARY></DATA></TABLE></RESOURCE></VOTABLE>'
)


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (BINARY.format(0), "rows are empty"),
        (BINARY.format(-1), "has the unknown arraysize '-1'"),
        ("RA,DEC\n" + "1" * 200_000 + "x,2", "has 200001 characters"),
        ("RA,DEC\n30,-20\n", '"valid":true'),
    ],
    ids=["no bytes", "negative", "long number", "good"],
)
def test_a_table_is_looked_at_and_gone(
    open_client: Open, data: Path, table: str, found: str
) -> None:
    client = open_client()
    with cpu_limit(10):
        answer = client.post("/validate", data={"POSITIONS": (io.BytesIO(table.encode()), "t")})
    assert found in answer.text
    assert list(data.rglob(".validate-*")) == []


def test_nothing_waits_for_the_disk(open_client: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Security L12: each upload was synced to disk, and then deleted."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    table = io.BytesIO(b"RA,DEC\n30,-20\n")
    open_client().post("/validate", data={"POSITIONS": (table, "t")})
    assert synced == []


def test_planes_are_counted_in_bytes(open_client: Open) -> None:
    """vo F3: a file of fewer planes is smaller."""
    client = open_client()
    sent = {"RA": "30", "DEC": "-20", "XPIX": "200", "YPIX": "200"}
    one, two = (
        client.post("/validate", data={**sent, "PLANES": planes}).get_json()["size_bytes"]
        for planes in ("SCI", "SCI,WGT")
    )
    assert (one > 160_000, two) == (True, 2 * one)
