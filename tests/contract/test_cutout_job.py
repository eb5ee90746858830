"""The main job through HTTP, on a real service: what clients send, and what they get back."""

import csv
import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import requests
from astropy.io import fits
from astropy.io.votable import parse_single_table
from astropy.wcs import WCS
from lxml import etree
from PIL import Image

from tests.synthetic import DEC_DEG, OBJECT, RA_DEG, SCALE_ARCSEC, STEP_DEG, tile_header

pytestmark = pytest.mark.xdist_group("service")

UWS = {"uws": "http://www.ivoa.net/xml/UWS/v1.0"}
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
AT = f"{RA_DEG},{DEC_DEG}"


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that is done."""

    url: str
    document: etree._Element
    summary: dict[str, Any]

    @property
    def results(self) -> dict[str, etree._Element]:
        return {e.get("id"): e for e in self.document.iterfind(".//uws:result", UWS)}

    def get(self, result: str) -> bytes:
        answer = requests.get(self.results[result].get(XLINK_HREF), timeout=60)
        assert answer.status_code == 200
        return answer.content

    def fits(self, result: str) -> fits.HDUList:
        return fits.open(io.BytesIO(self.get(result)))


def submit(base: str, **parameters: str) -> requests.Response:
    data = {"PHASE": "RUN", **parameters}
    return requests.post(f"{base}/async", data=data, allow_redirects=False, timeout=60)


def document_of(url: str) -> etree._Element:
    return etree.fromstring(requests.get(url, timeout=60).content)


def wait(url: str) -> etree._Element:
    for _ in range(30):
        document = document_of(f"{url}?WAIT=10")
        if document.findtext("uws:phase", None, UWS) in {"COMPLETED", "ERROR", "ABORTED"}:
            return document
    raise AssertionError(f"{url} does not end")


def run(base: str, **parameters: str) -> Finished:
    answer = submit(base, **parameters)
    assert answer.status_code == 303, answer.text
    url = answer.headers["Location"]
    document = wait(url)
    assert document.findtext("uws:phase", None, UWS) == "COMPLETED", etree.tostring(document)
    return Finished(url, document, requests.get(f"{url}/results/summary.json", timeout=60).json())


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


BAD = [
    pytest.param({}, ["POSITIONS", "RA", "COADD_OBJECT_ID"], id="nothing"),
    pytest.param({"POSITIONS": ""}, ["POSITIONS"], id="empty"),
    pytest.param({"POSITIONS": "30,-20\n31,-20\n"}, ["header"], id="no header"),
    pytest.param({"POSITIONS": "RA,DEC\n"}, ["POSITIONS"], id="header only"),
    pytest.param(
        {"POSITIONS": f"RA,DEC,COADD_OBJECT_ID\n{AT},7\n,,\n{AT},\n,,8\n"},
        ["row 1", "row 2"],
        id="both and neither",
    ),
    pytest.param(
        {"POSITIONS": "RA,DEC\nabc,-20\n30,inf\nnan,1_0\n"},
        ["row 1, RA", "'abc'", "row 2, DEC", "row 3, RA", "row 3, DEC", "'1_0'"],
        id="no numbers",
    ),
    pytest.param(
        {"POSITIONS": f"RA,DEC,XSIZE\n{AT},100\n", "YSIZE": "0.5"},
        ["row 1, XSIZE", "100", "0.1", "12"],
        id="size",
    ),
    pytest.param(
        {"POSITIONS": f"RA,DEC,COLORS_FITS\n{AT},gu\n{AT},gg\n"},
        ["row 1, COLORS_FITS", "g, r, i, z, Y", "row 2, COLORS_FITS"],
        id="bands",
    ),
    pytest.param({"RA": "30", "DEC": "-20", "RGB_STIFF_COLORS": "gr"}, ["three"], id="gr"),
    pytest.param({"RA": "30", "DEC": "-20", "RGB_LUPTON_COLORS": "grr"}, ["different"], id="grr"),
    pytest.param({"RA": "30", "DEC": "-20", "RELEASE": "DR9"}, ["DR9", "TEST1"], id="release"),
    pytest.param({"POSITIONS": f"RA,DEC\n{AT}\n", "RA": "30"}, ["POSITIONS", "RA"], id="two ways"),
    pytest.param({"RA": "30", "DEC": "-20", "BAND": "g"}, ["COLORS_FITS=g"], id="BAND=g"),
    pytest.param({"RA": "30", "DEC": "-20", "XSIEZ": "1"}, ["XSIEZ", "XSIZE"], id="unknown"),
    pytest.param({"POSITIONS": f"RA,DEC,RA\n{AT},3\n"}, ["RA"], id="duplicate columns"),
    pytest.param({"POSITIONS": "RA;DEC\n30;-20\n"}, ["comma"], id="semicolons"),
    pytest.param({"POSITIONS": "RA\tDEC\n30\t-20\n"}, ["comma"], id="tabs"),
    pytest.param({"POSITIONS": "RA,DEC 30,-20"}, ["line"], id="one line"),
]


@pytest.mark.parametrize(("parameters", "texts"), BAD)
def test_bad_input_is_refused_in_clear_words(
    service_url: str, parameters: dict[str, str], texts: list[str]
) -> None:
    answer = submit(service_url, **parameters)
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("UsageError: ")
    for text in texts:
        assert text in answer.text


@pytest.mark.parametrize(("parameters", "texts"), BAD)
def test_the_same_fault_at_a_later_run_is_a_job_in_error(
    service_url: str,
    parameters: dict[str, str],
    texts: list[str],
    validate_xml: Callable[[bytes], None],
) -> None:
    answer = requests.post(
        f"{service_url}/async", data=parameters, allow_redirects=False, timeout=60
    )
    assert answer.status_code == 303
    url = answer.headers["Location"]
    run_answer = requests.post(
        f"{url}/phase", data={"PHASE": "RUN"}, allow_redirects=False, timeout=60
    )
    assert run_answer.status_code == 303
    document = wait(url)
    assert document.findtext("uws:phase", None, UWS) == "ERROR"
    message = document.findtext("uws:errorSummary/uws:message", None, UWS)
    assert message.startswith("UsageError")
    error = requests.get(f"{url}/error", timeout=60)
    assert error.status_code == 200
    for text in texts:
        assert text in error.text
    validate_xml(etree.tostring(document))


def test_ten_megabytes_of_garbage_are_refused(service_url: str) -> None:
    garbage = np.random.default_rng(1).bytes(10_000_000)
    answer = requests.post(
        f"{service_url}/async",
        params={"PHASE": "RUN"},
        files={"POSITIONS": ("positions.csv", garbage)},
        allow_redirects=False,
        timeout=60,
    )
    assert answer.status_code == 400
    assert answer.text.startswith("UsageError: ")
    assert len(answer.text) < 20_000


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


def test_validate_tells_everything_and_makes_no_job(service_url: str) -> None:
    before = len(document_of(f"{service_url}/async"))
    table = f"RA,DEC,XSIZE\n{AT},0.5\n200,45,\n{AT},99\n"
    answer = requests.post(f"{service_url}/validate", data={"POSITIONS": table}, timeout=60)
    found = answer.json()
    assert answer.status_code == 200
    assert (found["valid"], found["rows"], found["matched"], found["files"]) == (False, 3, 1, 1)
    assert [(fault["row"], fault["column"]) for fault in found["faults"]] == [(3, "XSIZE")]
    good = requests.post(f"{service_url}/validate", data={"RA": "30", "DEC": "-20"}, timeout=60)
    assert good.json()["valid"] is True
    job = run(service_url, RA="30", DEC="-20")
    size_bytes = sum(len(job.get(f)) for f in job.summary["cutouts"][0]["FILES"])
    assert good.json()["size_bytes"] == pytest.approx(size_bytes, rel=0.05)
    assert len(document_of(f"{service_url}/async")) == before + 1


def test_releases_tell_bands_and_defaults(service_url: str) -> None:
    found = requests.get(f"{service_url}/releases", timeout=60).json()
    assert found["default"] == "TEST1"
    release = next(entry for entry in found["releases"] if entry["name"] == "TEST1")
    assert [band["name"] for band in release["bands"]] == ["g", "r", "i", "z", "Y"]
    assert (release["tiles"], release["has_catalogue"]) == (2, True)
    assert release["defaults"]["COLORS_FITS"] == "i"


def test_a_whole_tile_is_sent_as_it_is(service_url: str, survey: Any) -> None:
    url = f"{service_url}/tiles/test1/EAST0/y"
    original = (survey / "tiles/EAST0/p01/EAST0_Y.fits.fz").read_bytes()
    answer = requests.get(url, timeout=60)
    assert (answer.status_code, answer.content) == (200, original)
    part = requests.get(url, headers={"Range": "bytes=100-199"}, timeout=60)
    assert (part.status_code, part.content) == (206, original[100:200])
    assert requests.get(f"{service_url}/tiles/test1/EAST1/Y", timeout=60).status_code == 404
    assert requests.get(f"{service_url}/tiles/test1/WEST/Y", timeout=60).status_code == 404


def test_vosi_documents_are_valid(service_url: str, validate_xml: Callable[[bytes], None]) -> None:
    for path in ("capabilities", "availability"):
        answer = requests.get(f"{service_url}/{path}", timeout=60)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/xml"
        validate_xml(answer.content)
    assert ">true<" in answer.text
    for path in ("async/capabilities", "sync/capabilities"):  # VOSI-T1
        assert requests.get(f"{service_url}/{path}", timeout=60).status_code == 404


def test_metrics_and_openapi(service_url: str) -> None:
    run(service_url, RA="30", DEC="-20")
    metrics = requests.get(f"{service_url}/metrics", timeout=60).text
    assert re.search(r'soda_jobs\{state="COMPLETED"\} [1-9]', metrics)
    assert re.search(r'soda_queue\{state="workers"\} 2', metrics)
    document = requests.get(f"{service_url}/openapi.json", timeout=60).json()
    form = document["components"]["schemas"]["CutoutRequest"]["properties"]
    assert form["XSIZE"]["type"] == "number"
    assert {"/async", "/async/{job_id}", "/validate", "/releases"} <= set(document["paths"])
    create = document["paths"]["/async"]["post"]
    assert "application/x-www-form-urlencoded" in create["requestBody"]["content"]
    assert all(o["summary"] for path in document["paths"].values() for o in path.values())
    assert set(document["paths"]["/async/{job_id}"]) == {"get", "post", "delete"}


def test_answers_may_be_read_by_other_pages(service_url: str) -> None:
    headers = {"Origin": "https://example.org"}
    answer = requests.get(f"{service_url}/releases", headers=headers, timeout=60)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_visitor_finds_a_form_that_works(service_url: str) -> None:
    page = requests.get(f"{service_url}/", timeout=60)
    assert page.status_code == 200
    assert "TEST1: Two tiles for tests" in page.text
    for link in re.findall(r'(?:href|action)="([^"]+)"', page.text):
        assert requests.get(link, timeout=60).status_code == 200, link
    fields = {"RELEASE": "TEST1", "POSITIONS": f"RA,DEC\r\n{AT}\r\n", "JOBNAME": ""}
    parts = {name: (None, text) for name, text in {**fields, "PHASE": "RUN"}.items()}
    shown = requests.post(
        f"{service_url}/async", files=parts, headers={"Accept": "text/html"}, timeout=60
    )
    assert shown.status_code == 200
    assert shown.headers["Content-Type"].startswith("text/html")
    assert "<h1>Job " in shown.text
