"""The pages of jobs and their addresses, on a real service: lists, rows, downloads, sharing."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator

import pytest
import requests

from soda_service.demo.run import EXAMPLE_TABLE
from tests.cutout_client import Finished, run, submit, wait
from tests.synthetic import DEC_DEG, RA_DEG

pytestmark = pytest.mark.xdist_group("service")

JSON = {"Accept": "application/json"}
ROWS = (
    f"RA,DEC,COLORS_FITS,NAME\n{RA_DEG},{DEC_DEG},g,first\n200,45,g,elsewhere\n"
    f"{RA_DEG},{DEC_DEG + 0.003},gz,third\n"
)


def get(url: str, **parameters: str) -> requests.Response:
    return requests.get(url, params=parameters, headers=JSON, timeout=60)


def post(url: str, **fields: str) -> requests.Response:
    return requests.post(url, data=fields, headers=JSON, timeout=60, allow_redirects=False)


@pytest.fixture(scope="module")
def job(service_url: str) -> Finished:
    """Run a job of three rows, one of them elsewhere."""
    return run(
        service_url,
        POSITIONS=ROWS,
        JOBNAME="Pages 1",
        MAKE_RGB_LUPTON="true",
        EMAIL="me@example.org",
    )


@pytest.fixture
def page(service_url: str, job: Finished) -> str:
    """Give the address of the job's page."""
    return f"{service_url}/jobs/{job.url.rpartition('/')[2]}"


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """Give a browser's session: it keeps cookies, and asks for HTML."""
    with requests.Session() as session:
        session.headers["Accept"] = "text/html,application/xhtml+xml"
        yield session


def result(job: Finished, path: str) -> bytes:
    """Fetch a result that is not in the list, by its path."""
    answer = requests.get(f"{job.url}/results/{path}", timeout=60)
    assert answer.status_code == 200, path
    return answer.content


def token_in(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


# The list


def test_jobs_are_found_by_name_and_id(service_url: str, page: str) -> None:
    job_id = page.rpartition("/")[2]
    for text in ("pages 1", "GES", job_id[5:20]):
        found = get(f"{service_url}/jobs", q=text).json()
        assert [each["id"] for each in found["jobs"]] == [job_id], text
    assert get(f"{service_url}/jobs", q="%").json()["total"] == 0
    (facts,) = get(f"{service_url}/jobs", q="Pages 1", phase="COMPLETED").json()["jobs"]
    assert (facts["name"], facts["phase"], facts["total"], facts["done"], facts["failed"]) == (
        "Pages 1", "COMPLETED", 3, 3, 0,
    )  # fmt: skip
    assert facts["url"] == page
    assert facts["duration_s"] > 0
    assert get(f"{service_url}/jobs", q="Pages 1", phase="ERROR").json()["total"] == 0


def test_jobs_are_sorted_and_come_in_pages(service_url: str) -> None:
    for number in range(3):
        submit(service_url, RA="1", DEC="1", JOBNAME=f"sorted {number % 2}")
    found = get(f"{service_url}/jobs", q="sorted", order="-name,created").json()
    names = [each["name"] for each in found["jobs"]]
    created = [each["created"] for each in found["jobs"]]
    assert names == ["sorted 1", "sorted 0", "sorted 0"]
    assert created[1] < created[2]
    assert (found["total"], found["page"], found["pages"]) == (3, 1, 1)
    beyond = get(f"{service_url}/jobs", q="sorted", page="2").json()
    assert (beyond["jobs"], beyond["total"]) == ([], 3)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"page": "0"}, "page: '0' found"),
        ({"page": "x"}, "page: 'x' found"),
        ({"order": "colour"}, "order: 'colour' found; allowed are created, name, phase"),
        ({"phase": "DONE"}, "PHASE"),
    ],
)
def test_wrong_queries_are_told(service_url: str, parameters: dict[str, str], told: str) -> None:
    answer = get(f"{service_url}/jobs", **parameters)
    assert answer.status_code == 400
    assert told in answer.text


def test_the_uws_list_leads_browsers_here(
    service_url: str, job: Finished, page: str, http: requests.Session
) -> None:
    assert http.get(f"{service_url}/async").url == f"{service_url}/jobs"
    assert http.get(job.url).url == page


# One job


def test_a_job_is_renamed_kept_and_told_in_short(service_url: str) -> None:
    url = submit(service_url, RA="1", DEC="1", JOBNAME="before").headers["Location"]
    page = f"{service_url}/jobs/{url.rpartition('/')[2]}"
    assert post(f"{page}/name", NAME="after").json()["name"] == "after"
    assert get(page).json()["name"] == "after"
    assert "NAME: allowed are 64" in post(f"{page}/name", NAME="x" * 65).text
    before = get(page).json()["destruction"]
    kept = post(f"{page}/keep", DAYS="60").json()["destruction"]
    assert kept > before
    # "Keep" never shortens a job's life (pages A1: kept for 30 days, then pressed for 14).
    assert post(f"{page}/keep", DAYS="14").json()["destruction"] == kept
    assert get(page).json()["destruction"] == kept
    assert post(f"{page}/keep", DAYS="0").status_code == 400
    wait(url)
    assert post(f"{page}/delete").json()["gone"] is True
    assert get(page).status_code == 404


def test_a_job_is_run_and_stopped(service_url: str) -> None:
    created = requests.post(
        f"{service_url}/async", data={"RA": "1", "DEC": "1"}, timeout=60, allow_redirects=False
    )
    page = f"{service_url}/jobs/{created.headers['Location'].rpartition('/')[2]}"
    assert get(page).json()["phase"] == "PENDING"
    assert post(f"{page}/run").json()["phase"] in {"QUEUED", "EXECUTING", "COMPLETED"}
    wait(created.headers["Location"])
    refused = post(f"{page}/abort")
    assert refused.status_code == 403
    assert "can only be aborted" in refused.text


def test_a_form_of_another_site_changes_nothing(
    page: str, http: requests.Session, service_url: str
) -> None:
    shown = http.get(page)
    token = token_in(shown.text)
    evil = {"Origin": "https://evil.example"}
    assert http.post(f"{page}/name", data={"NAME": "evil"}, headers=evil).status_code == 403
    wrong = http.post(f"{page}/name", data={"NAME": "evil", "csrf": "x"})
    assert wrong.status_code == 403
    assert http.post(f"{service_url}/jobs", data={"action": "delete"}).status_code == 403
    right = http.post(f"{page}/name", data={"NAME": "Pages 1", "csrf": token})
    assert (right.status_code, right.url) == (200, page)


def test_many_are_deleted_after_a_question(service_url: str, http: requests.Session) -> None:
    urls = [submit(service_url, RA="1", DEC="1").headers["Location"] for _ in range(2)]
    ids = [url.rpartition("/")[2] for url in urls]
    for url in urls:
        wait(url)
    token = token_in(http.get(f"{service_url}/jobs").text)
    fields = {"csrf": token, "action": "delete", "id": [*ids, "0" * 32], "back": "q=x"}
    asked = http.post(f"{service_url}/jobs", data=fields)
    assert "Delete 2 jobs?" in asked.text
    assert get(f"{service_url}/jobs/{ids[0]}").status_code == 200
    done = http.post(f"{service_url}/jobs", data=fields | {"confirmed": "1"})
    assert done.url == f"{service_url}/jobs?q=x"
    assert {get(f"{service_url}/jobs/{job_id}").status_code for job_id in ids} == {404}


def test_the_way_back_to_the_list_is_a_query(service_url: str, http: requests.Session) -> None:
    """Security L2: line ends in `back` were a 500."""
    token = token_in(http.get(f"{service_url}/jobs").text)
    fields = {"csrf": token, "action": "abort", "back": "q=a b\r\nX: 1&phase=ERROR"}
    answer = http.post(f"{service_url}/jobs", data=fields, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{service_url}/jobs?q=a+b%0D%0AX%3A+1&phase=ERROR"


# Rows and downloads


def test_rows_come_in_pages_and_by_status(page: str) -> None:
    found = get(f"{page}/rows").json()
    assert (found["total"], found["is_whole"]) == (3, True)
    assert found["counts"] == {
        "ok": 2, "partial": 0, "no_coverage": 0, "unmatched": 1, "failed": 0,
    }  # fmt: skip
    first, elsewhere, third = found["rows"]
    assert (first["row"], first["ra"], first["dec"], first["user"]) == (
        1, RA_DEG, DEC_DEG, {"NAME": "first"},
    )  # fmt: skip
    assert (elsewhere["files"], elsewhere["folder"], elsewhere["thumbnail"]) == ([], "", None)
    assert elsewhere["message"].startswith("no tile of release TEST1")
    assert [row["row"] for row in get(f"{page}/rows", status="ok").json()["rows"]] == [1, 3]
    one = get(f"{page}/rows", **{"from": "2", "count": "1"}).json()
    assert one["rows"] == [third]
    assert get(f"{page}/rows", **{"from": "7"}).json()["rows"] == []


def test_the_example_of_the_old_service_keeps_its_column_of_the_user_s_own(
    service_url: str,
) -> None:
    """FITS_COLORS is one there: the summary has it among keys of ours."""
    job = run(service_url, POSITIONS=EXAMPLE_TABLE)
    rows = get(f"{service_url}/jobs/{job.url.rpartition('/')[2]}/rows").json()["rows"]
    assert [row["user"] for row in rows] == [
        {"FITS_COLORS": bands} for bands in ("g", "rg", "iz", "", "")
    ]


@pytest.mark.parametrize("wrong", [{"from": "-1"}, {"count": "0"}, {"count": "9999"},
                                   {"status": "good"}, {"from": "x"}], ids=str)  # fmt: skip
def test_wrong_questions_for_rows_are_told(page: str, wrong: dict[str, str]) -> None:
    answer = get(f"{page}/rows", **wrong)
    assert answer.status_code == 400
    assert answer.text.startswith("UsageError: ")


def test_what_rows_name_is_there(job: Finished, page: str) -> None:
    for row in get(f"{page}/rows", status="ok").json()["rows"]:
        for name in row["files"]:
            assert result(job, f"{row['folder']}/{name}")
        assert result(job, row["thumbnail"])[:2] == b"\xff\xd8"


def test_the_zip_holds_what_the_archive_holds(job: Finished) -> None:
    with zipfile.ZipFile(io.BytesIO(result(job, "archive.zip"))) as archive:
        assert archive.testzip() is None
        names = {name.partition("/")[2] for name in archive.namelist()}
        summary = next(name for name in archive.namelist() if name.endswith("/summary.json"))
        assert json.loads(archive.read(summary)) == job.summary
    files = {f"{row['FOLDER']}/{name}" for row in job.summary["cutouts"] for name in row["FILES"]}
    assert files | {"summary.json", "manifest.vot", "manifest.csv"} <= names
    assert not any(name.startswith((".", "thumbnails")) for name in names)


def test_lists_for_download_programs(job: Finished, page: str) -> None:
    urls = get(f"{page}/files.txt").text.splitlines()
    assert len(urls) == sum(len(row["FILES"]) for row in job.summary["cutouts"])
    sums = [
        line.split("  ") for line in get(f"{page}/files.txt", format="sha256").text.splitlines()
    ]
    for url, (digest, path) in zip(urls, sums, strict=True):
        content = requests.get(url, timeout=60).content
        assert hashlib.sha256(content).hexdigest() == digest
        assert url.endswith(path.replace("+", "%2B"))
    aria2 = get(f"{page}/files.txt", format="aria2").text
    assert aria2.splitlines()[:3] == [urls[0], f"  out={sums[0][1]}",
                                      f"  checksum=sha-256={sums[0][0]}"]  # fmt: skip
    assert get(f"{page}/files.txt", format="curl").status_code == 400


def test_the_log_is_told(page: str) -> None:
    log = get(f"{page}/log")
    assert log.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "row 2 " in log.text
    assert "finished: 2 ok, 1 unmatched" in log.text


def test_failed_rows_can_be_sent_again(page: str) -> None:
    table = get(f"{page}/failed.csv").text.splitlines()
    assert table[0].startswith("RA,DEC,COADD_OBJECT_ID,")
    assert len(table) == 1


# Shared


def test_a_shared_job_is_seen_and_taken_away_but_not_changed(
    page: str, http: requests.Session
) -> None:
    made = post(f"{page}/share")
    assert made.status_code == 201
    link = made.json()["url"]
    shown = http.get(link)
    assert shown.status_code == 200
    assert shown.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert "<form" not in shown.text
    assert "me@example.org" not in shown.text
    assert page.rpartition("/")[2] not in re.sub(r'id="job-id">\w+|data-job="\w+"', "", shown.text)
    assert get(f"{link}/rows").json()["total"] == 3
    assert http.get(f"{link}/results/summary.json").json()["cutouts"]
    assert http.get(f"{link}/results/archive").content[:2] == b"\x1f\x8b"
    assert get(f"{link}/files.txt").text.startswith(f"{link}/results/")
    assert "finished" in get(f"{link}/log").text
    assert http.get(f"{link}/results/.rows").status_code == 404
    share = re.search(r"/share/(\w+)/revoke", http.get(page).text)
    assert share
    assert post(f"{page}/share/{share[1]}/revoke").status_code == 200
    assert {
        http.get(f"{link}{rest}").status_code for rest in ("", "/rows", "/results/archive")
    } == {404}


# Live


def test_events_tell_how_a_job_ends_and_which_are_gone(service_url: str) -> None:
    url = submit(service_url, RA=str(RA_DEG), DEC=str(DEC_DEG)).headers["Location"]
    job_id = url.rpartition("/")[2]
    told = []
    with requests.get(
        f"{service_url}/jobs/events", params={"id": [job_id, "0" * 32]}, stream=True, timeout=60
    ) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith(b"data: "):
                told.append(json.loads(line[6:]))
                if told[-1].get("phase") == "COMPLETED":
                    break
    assert {"id": "0" * 32, "gone": True} in told
    last = told[-1]
    assert (last["id"], last["total"], last["done"]) == (job_id, 1, 1)


@pytest.mark.parametrize("ids", [[], ["0" * 32 + str(n) for n in range(51)]], ids=["none", "many"])
def test_events_are_of_some_jobs(service_url: str, ids: list[str]) -> None:
    answer = requests.get(f"{service_url}/jobs/events", params={"id": ids}, timeout=60)
    assert answer.status_code == 400
