"""Tables by DALI's UPLOAD and as VOTable, on a real service."""

import io

import numpy as np
import pytest
import requests
from astropy.table import Table

from tests.cutout_client import finished
from tests.synthetic import DEC_DEG, RA_DEG

pytestmark = pytest.mark.xdist_group("service")

CSV = f"RA,DEC,name\n{RA_DEG},{DEC_DEG},first\n{RA_DEG},{DEC_DEG + 0.003},second\n".encode()


def votable(serialisation: str) -> bytes:
    table = Table(
        {
            "ra": [RA_DEG, RA_DEG],
            "dec": [DEC_DEG, DEC_DEG + 0.003],
            "name": ["first", "second"],
            "redshift": np.array([0.1, 2.5], dtype=np.float32),
        }
    )
    buffer = io.BytesIO()
    table.write(buffer, format="votable", tabledata_format=serialisation)
    return buffer.getvalue()


def create(url: str, content: bytes, *, run: bool = True, **fields: str) -> requests.Response:
    """Send a table as pyvo sends uploads: a part, and UPLOAD that names it."""
    data = {"UPLOAD": "positions,param:mytable", **({"PHASE": "RUN"} if run else {}), **fields}
    files = {"mytable": ("table.xml", content)}
    return requests.post(f"{url}/async", data=data, files=files, allow_redirects=False, timeout=60)


@pytest.mark.parametrize("form", ["csv", "tabledata", "binary", "binary2"])
def test_dali_15_an_uploaded_table_is_cut(service_url: str, form: str) -> None:
    answer = create(service_url, CSV if form == "csv" else votable(form), COLORS_FITS="g")
    assert answer.status_code == 303, answer.text
    cutouts = finished(answer.headers["Location"]).summary["cutouts"]
    assert [row["STATUS"] for row in cutouts] == ["ok", "ok"]
    assert [row["name"] for row in cutouts] == ["first", "second"]
    if form != "csv":
        assert [float(row["redshift"]) for row in cutouts] == pytest.approx([0.1, 2.5])


def test_positions_may_be_a_votable(service_url: str) -> None:
    files = {"POSITIONS": ("positions.vot", votable("binary"))}
    answer = requests.post(
        f"{service_url}/async", data={"PHASE": "RUN"}, files=files, allow_redirects=False,
        timeout=60,
    )  # fmt: skip
    assert len(finished(answer.headers["Location"]).summary["cutouts"]) == 2
    inline = {"PHASE": "RUN", "POSITIONS": votable("tabledata").decode()}
    answer = requests.post(f"{service_url}/async", data=inline, allow_redirects=False, timeout=60)
    assert len(finished(answer.headers["Location"]).summary["cutouts"]) == 2


def test_dali_9_15_an_upload_may_come_later(service_url: str) -> None:
    job = requests.post(f"{service_url}/async", allow_redirects=False, timeout=60)
    url = job.headers["Location"]
    sent = requests.post(
        f"{url}/parameters",
        data={"UPLOAD": "positions,param:mytable"},
        files={"mytable": ("table.csv", CSV)},
        allow_redirects=False,
        timeout=60,
    )
    assert sent.status_code == 303
    requests.post(f"{url}/phase", data={"PHASE": "RUN"}, timeout=60)
    assert len(finished(url).summary["cutouts"]) == 2


@pytest.mark.parametrize(
    ("content", "fields", "told"),
    [
        (CSV, {"UPLOAD": "positions,http://127.0.0.1/x"}, "external URLs are not fetched"),
        (CSV, {"UPLOAD": "positions,param:other"}, "there is no part 'OTHER'"),
        (CSV, {"RA": "30", "DEC": "-20"}, "given together with RA, DEC"),
        (CSV, {"POSITIONS": "RA,DEC\n1,2\n"}, "given together with POSITIONS"),
        (b"<html/>", {}, "is XML, but not a VOTable"),
        (b"<!DOCTYPE x><VOTABLE/>", {}, "has a DOCTYPE"),
        (votable("tabledata")[:-400], {}, "is not well-formed XML"),
    ],
)  # fmt: skip
def test_dali_15_a_refused_upload_is_an_error_and_no_job(
    service_url: str, content: bytes, fields: dict[str, str], told: str
) -> None:
    answer = create(service_url, content, **fields)
    assert answer.status_code == 400
    assert answer.text.startswith("UsageError: ")
    assert told in answer.text


def test_validate_takes_uploads_as_well(service_url: str) -> None:
    answer = requests.post(
        f"{service_url}/validate",
        data={"UPLOAD": "positions,param:t"},
        files={"t": ("t.vot", votable("binary2"))},
        timeout=60,
    )
    found = answer.json()
    assert (found["valid"], found["rows"], found["matched"]) == (True, 2, 2)


def test_sync_takes_no_table(service_url: str) -> None:
    answer = requests.post(
        f"{service_url}/sync",
        data={"UPLOAD": "positions,param:t", "T": "RA,DEC\n1,2\n"},
        timeout=60,
    )
    assert answer.status_code == 400
    assert "use /async for tables" in answer.text
