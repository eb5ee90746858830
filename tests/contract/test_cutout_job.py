"""The main job through HTTP, on a real service: what clients send, and what they get back."""

import csv
import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import requests
from astropy.io.votable import parse_single_table
from astropy.wcs import WCS
from PIL import Image

from tests.cutout_client import AT, UWS, XLINK_HREF, run, wait
from tests.synthetic import DEC_DEG, OBJECT, RA_DEG, SCALE_ARCSEC, STEP_DEG, tile_header

pytestmark = pytest.mark.xdist_group("service")


def test_one_position_gives_every_plane_with_the_exact_wcs(service_url: str) -> None:
    job = run(service_url, RA=str(RA_DEG + 0.002), DEC=str(DEC_DEG + 0.001), XSIZE="0.5")
    (name,) = job.summary["cutouts"][0]["FILES"]
    assert name == "TESTJ020000.4800-195956.4000_i.fits"
    with job.fits(name) as hdus:
        hdus.verify("exception")
        assert [hdu.header["EXTNAME"] for hdu in hdus] == ["SCI", "MSK", "WGT"]
        assert hdus["SCI"].data.shape == (228, 114)
        header = hdus[0].header
        assert header["RA_CUTOUT"] == RA_DEG + 0.002
        x, y = WCS(header).all_world2pix(RA_DEG + 0.002, DEC_DEG + 0.001, 0)
        assert abs(x - 56.5) <= 0.5
        assert abs(y - 113.5) <= 0.5
        x0, y0 = map(int, re.findall(r"(\d+):", header["PARBOX"]))
        sky = WCS(tile_header(RA_DEG, DEC_DEG)).all_pix2world([[x0 - 1, y0 - 1]], 0)
        assert np.allclose(WCS(header).all_pix2world([[0, 0]], 0), sky, rtol=0, atol=1e-10)
    assert job.get("result") == job.get(name)


def test_results_come_in_order_with_sizes_and_digests(
    service_url: str, validate_xml: Callable[[bytes], None]
) -> None:
    job = run(
        service_url,
        POSITIONS=f"RA,DEC,COLORS_FITS,name\n{AT},gr,one\n{RA_DEG + 0.001},{DEC_DEG},,two\n",
        MAKE_RGB_LUPTON="true",
        MAKE_RGB_STIFF="t",
        RGB_STIFF_COLORS="irg;zrg",
    )
    first, second = job.summary["cutouts"]
    assert [name.partition("_")[2] for name in first["FILES"]] == [
        *("g.fits", "r.fits", "i.fits", "z.fits"),
        *("irg_stiff.png", "zrg_stiff.png", "irg_lupton.png"),
    ]
    ends = ["summary.json", "manifest", "positions", "log", "archive", "result"]
    assert list(job.results) == first["FILES"] + second["FILES"] + ends
    for result in job.results.values():
        answer = requests.get(result.get(XLINK_HREF), timeout=60)
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert int(result.get("size")) == len(answer.content)
        assert answer.headers["Content-Type"].split(";")[0] == result.get("mime-type").split(";")[0]
    table = parse_single_table(io.BytesIO(job.get("manifest"))).to_table()
    assert len(table) == len(first["FILES"] + second["FILES"]) == job.summary["number_of_files"]
    for line in table:
        data = requests.get(line["url"], timeout=60).content
        assert hashlib.sha256(data).hexdigest() == line["sha256"]
        assert len(data) == line["size"]
        assert line["name"] == ("one" if line["row"] == 1 else "two")
    validate_xml(job.get("manifest"))
    validate_xml(requests.get(job.url, timeout=60).content)


def test_the_archive_is_the_tree(service_url: str) -> None:
    job = run(service_url, POSITIONS=f"RA,DEC\n{AT}\n")
    job_id = job.url.rpartition("/")[2]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(job.get("archive")))) as tar:
        names = {name.removeprefix(f"{job_id}/") for name in tar.getnames()}
    (file,) = job.summary["cutouts"][0]["FILES"]
    assert names == {
        f"EAST0/{file.removesuffix('_i.fits')}/{file}",
        *("summary.json", "manifest.vot", "manifest.csv"),
        *(f"positions_{job_id}.csv", f"cutout_{job_id}.log"),
    }


def test_positions_table_can_be_sent_in_again(service_url: str) -> None:
    table = f"RA,DEC,XPIX,YPIX,EDGE,mag\n{AT},50,60,pad,21.5\n{AT},,,,\n"
    job = run(service_url, POSITIONS=table, RGB_MINIMUM="0.5")
    text = job.get("positions").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [rows[0][key] for key in ("XPIX", "YPIX", "EDGE", "mag")] == ["50", "60", "pad", "21.5"]
    assert [row["RGB_MINIMUM"] for row in rows] == ["0.5", "0.5"]
    again = run(service_url, POSITIONS=text)
    for old, new in zip(job.summary["cutouts"], again.summary["cutouts"], strict=True):
        assert old["FILES"] == new["FILES"]
    assert [job.get(f) for f in job.summary["cutouts"][0]["FILES"]] == [
        again.get(f) for f in again.summary["cutouts"][0]["FILES"]
    ]


def test_equal_rows_share_files_and_different_ones_get_a_number(service_url: str) -> None:
    table = f"RA,DEC,XPIX,YPIX\n{AT},40,40\n{AT},50,50\n{AT},40,40\n"
    job = run(service_url, POSITIONS=table)
    names = [row["FILES"] for row in job.summary["cutouts"]]
    stem = "TESTJ020000.0000-200000.0000"
    assert names == [[f"{stem}_i.fits"], [f"{stem}_2_i.fits"], [f"{stem}_i.fits"]]
    assert job.summary["number_of_files"] == 2
    assert [row["SIZE_PIX"] for row in job.summary["cutouts"]] == [[40, 40], [50, 50], [40, 40]]


def test_object_of_the_catalogue(service_url: str) -> None:
    job = run(service_url, POSITIONS=f"COADD_OBJECT_ID\n{OBJECT.id}\n12345\n")
    found, unknown = job.summary["cutouts"]
    assert found["COADD_OBJECT_ID"] == str(OBJECT.id)
    assert (found["RA"], found["DEC"]) == (OBJECT.ra_deg, OBJECT.dec_deg)
    assert found["ALPHAWIN_J2000"] == OBJECT.alphawin_deg
    assert found["POSITION_TYPE"] == "coadd"
    path = requests.get(f"{job.url}/results/EAST0/{OBJECT.id}/{found['FILES'][0]}", timeout=60)
    assert path.status_code == 200
    assert unknown["STATUS"] == "unmatched"
    assert unknown["FILES"] == []
    assert unknown["TILENAME"] == ""
    assert job.summary["unmatched_positions"] == {
        "coord": {"RA": [], "DEC": []},
        "coadd": ["12345"],
    }


def test_position_off_the_survey_is_a_row_and_the_job_completes(service_url: str) -> None:
    job = run(service_url, POSITIONS=f"RA,DEC\n200,45\n{AT}\n")
    assert [row["STATUS"] for row in job.summary["cutouts"]] == ["unmatched", "ok"]
    assert job.summary["unmatched_positions"]["coord"] == {"RA": [200.0], "DEC": [45.0]}
    assert "no tile" in job.summary["cutouts"][0]["MESSAGE"]


def test_single_position_off_the_survey_has_a_text_that_says_why(service_url: str) -> None:
    job = run(service_url, RA="200", DEC="45")
    assert job.results["no-overlap.txt"].get("mime-type").startswith("text/plain")
    assert job.get("no-overlap.txt").startswith(b"UsageError: no tile of release TEST1")
    assert job.get("result") == job.get("no-overlap.txt")


def test_missing_band_is_told_and_the_rest_is_made(service_url: str) -> None:
    ra = RA_DEG + STEP_DEG + 0.01
    job = run(
        service_url,
        POSITIONS=f"RA,DEC,COLORS_FITS\n{ra},{DEC_DEG},gy\n",
        MAKE_RGB_LUPTON="1",
        RGB_LUPTON_COLORS="yrg;irg",
    )
    (row,) = job.summary["cutouts"]
    assert row["STATUS"] == "partial"
    assert [name.partition("_")[2] for name in row["FILES"]] == [
        *("g.fits", "r.fits", "i.fits", "irg_lupton.png"),
    ]
    assert "yrg lupton" in row["MESSAGE"]
    assert "band y is missing" in row["MESSAGE"]


@pytest.mark.parametrize(("edge", "width"), [("trim", 70), ("pad", 100)])
def test_edge_of_the_survey(service_url: str, edge: str, width: int) -> None:
    # 20 pixels inside the western edge of EAST0, of 100 asked for.
    ra = RA_DEG - (190 * SCALE_ARCSEC / 3600) / np.cos(np.radians(DEC_DEG))
    job = run(service_url, RA=str(ra), DEC=str(DEC_DEG), XPIX="100", YPIX="100", EDGE=edge)
    (row,) = job.summary["cutouts"]
    assert abs(row["SIZE_PIX"][0] - width) <= 1
    assert row["COVERAGE"] == pytest.approx(0.70, abs=0.015)
    assert row["STATUS"] == "ok"
    assert "edge of tile EAST0" in row["MESSAGE"]
    with job.fits(row["FILES"][0]) as hdus:
        assert hdus["SCI"].data.shape == (100, row["SIZE_PIX"][0])
        if edge == "pad":
            assert np.isnan(hdus["SCI"].data[:, -5:]).all()
            assert (hdus["WGT"].data[:, -5:] == 0).all()


def test_pictures_are_north_up_east_left(service_url: str) -> None:
    job = run(service_url, RA=str(RA_DEG), DEC=str(DEC_DEG), MAKE_RGB_LUPTON="true", XSIZE="1.5")
    picture = next(name for name in job.results if name.endswith("_lupton.png"))
    with Image.open(io.BytesIO(job.get(picture))) as image:
        shown = np.asarray(image.convert("L"), dtype=float)
    band = next(name for name in job.results if name.endswith("_r.fits"))
    with job.fits(band) as hdus:
        expected = np.arcsinh(hdus["SCI"].data[::-1])  # east is left already in this tile
    assert shown.shape == expected.shape
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.4
    assert abs(np.corrcoef(shown[::-1].ravel(), expected.ravel())[0, 1]) < 0.2
    assert abs(np.corrcoef(shown[:, ::-1].ravel(), expected.ravel())[0, 1]) < 0.2


def test_cutouts_are_the_same_bytes_each_time(service_url: str) -> None:
    jobs = [run(service_url, RA="30.003", DEC="-20.002", MAKE_RGB_STIFF="true") for _ in range(2)]
    names = jobs[0].summary["cutouts"][0]["FILES"]
    assert len(names) == 4
    for name in names:
        assert jobs[0].get(name) == jobs[1].get(name)


def test_summary_options_are_those_in_effect(service_url: str) -> None:
    job = run(service_url, RA="30", DEC="-20", DB="testdb", release="test1", Xsize="0.7")
    options = job.summary["options"]
    assert options["jobid"] == job.url.rpartition("/")[2]
    assert (options["release"], options["db"]) == ("TEST1", "TESTDB")
    assert (options["xsize"], options["ysize"], options["make_fits"]) == (0.7, 1.0, True)
    assert options["tiledir"] == "auto"
    assert job.summary["acknowledgement"] == "Made for tests."
    assert job.summary["cutouts"][0]["TILEDIR"] == "EAST0/p01/"


def test_user_columns_are_carried_and_look_alikes_warned_of(service_url: str) -> None:
    job = run(service_url, POSITIONS=f"RA,DEC,FITS_COLORS,z\n{AT},rg, 0.5 \n")
    (row,) = job.summary["cutouts"]
    assert (row["FITS_COLORS"], row["z"].strip()) == ("rg", "0.5")
    told = [*job.summary["warnings"], job.get("log").decode()]
    assert all("did you mean COLORS_FITS?" in text for text in told[:1] + told[-1:])
    assert "did you mean COLORS_FITS?" in requests.get(job.url, timeout=60).text


def test_plus_in_names_is_understood_either_way(service_url: str) -> None:
    job = run(service_url, RA=str(RA_DEG), DEC=str(DEC_DEG))
    (name,) = job.summary["cutouts"][0]["FILES"]
    href = job.results[name].get(XLINK_HREF)
    assert unquote(href).endswith(name)
    assert requests.get(f"{job.url}/results/{name}", timeout=60).status_code == 200


def test_no_server_path_is_ever_told(service_url: str, survey: Any) -> None:
    job = run(service_url, POSITIONS=f"RA,DEC\n{AT}\n", COLORS_FITS="gY")
    for result in ("summary.json", "manifest", "positions", "log"):
        assert str(survey) not in job.get(result).decode()
    assert str(survey) not in requests.get(f"{service_url}/releases", timeout=60).text


@pytest.mark.parametrize(
    "table",
    [
        f"\ufeffRA,DEC\n{AT}\n",
        f"RA,DEC\r\n{AT}\r\n",
        f"RA,DEC\r{AT}\r",
        f"RA,DEC\\n{AT}\\n",
        f' ra , "Dec" ,xsize\n {RA_DEG} , "{DEC_DEG}" , "" \n',
        f"RA,DEC\n\n{AT}\n\n",
    ],
    ids=["BOM", "CRLF", "CR", "literal backslash n", "blanks and quotes", "blank lines"],
)
def test_tables_as_programs_write_them(service_url: str, table: str) -> None:
    job = run(service_url, POSITIONS=table)
    assert [row["STATUS"] for row in job.summary["cutouts"]] == ["ok"]


def test_table_as_an_uploaded_file(service_url: str) -> None:
    content = f"RA,DEC\n{AT}\n".encode()
    answer = requests.post(
        f"{service_url}/async",
        data={"PHASE": "RUN"},
        files={"POSITIONS": ("mine.csv", content, "text/csv")},
        allow_redirects=False,
        timeout=60,
    )
    url = answer.headers["Location"]
    document = wait(url)
    assert document.findtext("uws:phase", None, UWS) == "COMPLETED"
    parameter = document.find(".//uws:parameter[@id='POSITIONS']", UWS)
    assert parameter.get("byReference") == "true"
    assert requests.get(parameter.text, timeout=60).content == content
