"""Manifest and summary, written row by row."""

import csv
import io
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from astropy.io.votable import parse_single_table

from soda_service.request.options import default_options
from soda_service.results.columns import summary_keys
from soda_service.results.manifest import CsvManifest, VotManifest
from soda_service.results.rows import FileEntry, Outcome, PlannedRow, Row, Status
from soda_service.results.summary import JobFacts, SummaryWriter, Tally
from soda_service.sky.release import Band, Release

RELEASE = Release(
    "WISE", "Many letters", (Band("W1"), Band("W2"), Band("W3")), "", "{tilename}.fits"
)
OPTIONS = default_options(RELEASE)
STRANGE = {"STATUS": "Ωmega <&> \ufffe\x00\r\n.", "status": "]]>", "ß": "'\""}
PICTURE = FileEntry(
    *("J1_w3-w2-w1_lupton.png", "Tü+1/J1/J1_w3-w2-w1_lupton.png", "lupton"),
    *(("W3", "W2", "W1"), "image/png", 9, "ab"),
)
DONE = Outcome(Status.PARTIAL, "é", (PICTURE,), (10, 20), 0.5, "2026-01-01T00:00:00Z")
UNMATCHED = Outcome(Status.UNMATCHED, "no tile", time="2026-01-01T00:00:00Z")


def row(number: int, outcome: Outcome, **changes: Any) -> Row:
    planned = PlannedRow(number, None, 1.5, -2.5, 1.5, -2.5, "Tü+1", "a/", "J1", OPTIONS)
    return Row(replace(planned, **changes), outcome)


def facts(*columns: str) -> JobFacts:
    return JobFacts("j1", "http://x/async/j1", "", "", RELEASE, OPTIONS, columns)


def vot(rows: list[Row], *columns: str) -> bytes:
    stream = io.BytesIO()
    with VotManifest(stream, facts(*columns)) as manifest:
        for each in rows:
            manifest.add(each)
    return stream.getvalue()


def summary(rows: list[Row], *columns: str) -> dict[str, Any]:
    stream = io.BytesIO()
    writer, tally = SummaryWriter(stream, facts(*columns)), Tally()
    for each in rows:
        writer.add(each)
        tally.add(each)
    writer.close(tally, 1.0, ["careful"])
    content: dict[str, Any] = json.loads(stream.getvalue())
    return content


def test_manifest_holds_any_text_and_names_no_namespace_twice(
    validate_xml: Callable[[bytes], None],
) -> None:
    document = vot([row(1, DONE, extra=STRANGE), row(2, UNMATCHED, tile="")], *STRANGE)
    validate_xml(document)
    assert document.count(b"xmlns") == 1
    table = parse_single_table(io.BytesIO(document)).to_table(use_names_over_ids=True)
    first, second = table.filled(0).iterrows()
    path = "Tü+1/J1/J1_w3-w2-w1_lupton.png"
    url = "http://x/async/j1/results/T%C3%BC%2B1/J1/J1_w3-w2-w1_lupton.png"
    assert first == (
        *(1, 1.5, -2.5, 0, "Tü+1", "partial", "é", 0.5, "w3,w2,w1", path, url),
        *("image/png", 9, "ab", "Ωmega <&>   \r\n.", "]]>", "'\""),
    )
    assert table.colnames[-3:] == ["user_STATUS", "user_status_2", "ß"]
    assert second[5:11] == ("unmatched", "no tile", 0.0, "", "", "")


def test_manifest_without_rows_is_a_table(validate_xml: Callable[[bytes], None]) -> None:
    document = vot([])
    validate_xml(document)
    assert len(parse_single_table(io.BytesIO(document)).array) == 0


def test_all_documents_call_the_users_columns_the_same() -> None:
    stream = io.BytesIO()
    manifest = CsvManifest(stream, facts(*STRANGE))
    manifest.add(row(1, DONE, extra=STRANGE))
    manifest.close()
    (told,) = csv.DictReader(io.StringIO(stream.getvalue().decode(), newline=""))
    (cutout,) = summary([row(1, DONE, extra=STRANGE)], *STRANGE)["cutouts"]
    for name, value in zip(("user_STATUS", "user_status_2", "ß"), STRANGE.values(), strict=True):
        assert told[name] == cutout[name] == value
    assert (told["status"], cutout["STATUS"]) == ("partial", "partial")


def test_every_key_of_the_summary_is_kept_from_the_users_columns() -> None:
    (cutout,) = summary([row(1, DONE)])["cutouts"]
    assert set(summary_keys()) - {"XPIX", "YPIX"} == set(cutout)
    own = {name: "mine" for name in cutout if name != "FITS_COLORS"}
    (again,) = summary([row(1, DONE, extra=own)], *own)["cutouts"]
    assert again == cutout | {f"user_{name}": "mine" for name in own}


def test_unmatched_positions_are_listed_and_cost_no_memory() -> None:
    assert summary([])["unmatched_positions"] == {"coord": {"RA": [], "DEC": []}, "coadd": []}
    rows = [row(1, UNMATCHED), row(2, UNMATCHED, object_id=7, ra_deg=None), row(3, DONE)]
    found = summary([*rows, row(4, UNMATCHED, ra_deg=359.25)])
    assert found["unmatched_positions"] == {
        "coord": {"RA": [1.5, 359.25], "DEC": [-2.5, -2.5]},
        "coadd": ["7"],
    }
    assert list(found) == [
        *("options", "cutouts", "query_time", "unmatched_positions", "processing_time"),
        *("size_on_disk", "number_of_files", "status", "warnings", "version", "acknowledgement"),
    ]
    with open("/dev/null", "wb") as nowhere:  # noqa: PTH123 - a file that keeps nothing
        writer = SummaryWriter(nowhere, facts())
        tracemalloc.start()
        for number in range(20_000):
            writer.add(row(number, UNMATCHED, ra_deg=number / 1024))
        kept_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        writer.close(Tally(), 1.0, ())
    assert kept_bytes < 400_000


@pytest.mark.parametrize(
    ("bands", "asked", "text"),
    [
        ("g r y", "gry", "gry"),
        ("W1 W2 W3", ["W3", "W2", "W1"], "w3-w2-w1"),
        ("F1 1F1 F F11", ["F1", "1F1", "F"], "f1-1f1-f"),
        ("F1 1F1 F F11", ["F11", "F1", "F"], "f11-f1-f"),
        ("g W1 w1", ["g", "W1", "w1"], "g-W1-w1"),
        ("a-b c d b-c", ["a-b", "c", "d"], "a-b~c~d"),
    ],
    ids=str,
)
def test_pictures_of_different_bands_have_different_names(
    bands: str, asked: list[str], text: str
) -> None:
    release = replace(RELEASE, bands=tuple(map(Band, bands.split())))
    assert release.labels(asked) == text
