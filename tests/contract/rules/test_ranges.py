"""Results over the wire: sizes, tags, preconditions and ranges of bytes (RFC 9110, 13 and 14)."""

import gzip
import io
import tarfile
from time import sleep

import pytest

from tests.contract.rules.targets import HREF, JobAt, Target
from tests.contract.rules.wire import Answer, ask

PRECONDITION = b"UsageError: the content is not that which If-Match or If-Unmodified-Since names\n"
UNUSABLE = [
    *("bytes=0-1,3-4", "bytes=0-1,", "bytes=", "bytes=-", "bytes=x-y", "bytes=5-2", "bytes"),
    *("rows=0-1", "0-1", "bytes=1-2-3", "bytes=+1-2", f"bytes=0-{'9' * 30}", "bytes=\xb2-"),
]
OLD = "Thu, 01 Jan 2015 00:00:00 GMT"


def _result(job: JobAt, name: str = "result") -> tuple[str, Answer]:
    url = job.results()[name].get(HREF)
    return url, ask("GET", url)


def test_dali_10_a_result_has_size_age_tag_and_name(target: Target) -> None:
    job = target.run()
    for name, entry in job.results().items():
        url, whole = _result(job, name)
        assert int(whole.headers["Content-Length"]) == len(whole.body) == int(entry.get("size"))
        assert whole.headers["Accept-Ranges"] == "bytes"
        assert whole.headers["ETag"].startswith('"')
        assert whole.headers["Last-Modified"].endswith(" GMT")
        assert whole.headers.get_all("Date") == [whole.headers["Date"]]
        assert "filename=" in whole.headers["Content-Disposition"]
        head = ask("HEAD", url, headers={"Range": "bytes=0-1"})
        assert (head.status, head.body) == (200, b"")
        for header in ("Content-Length", "ETag", "Last-Modified", "Content-Type"):
            assert head.headers[header] == whole.headers[header]


@pytest.mark.parametrize("name", ["result", "archive"])
def test_parts_of_a_result(target: Target, name: str) -> None:
    job = target.run()
    if name not in job.results():
        name = "item-000.txt"
    url, whole = _result(job, name)
    size = len(whole.body)
    cases = {
        "bytes=1-3": (1, 4),
        "bytes=0-": (0, size),
        "bytes=2-": (2, size),
        "bytes=-2": (size - 2, size),
        f"bytes=-{size + 100}": (0, size),
        f"bytes=3-{10**15}": (3, size),
        "Bytes = 0-0 ": (0, 1),
    }
    for text, (start, stop) in cases.items():
        part = ask("GET", url, headers={"Range": text})
        assert (part.status, part.body) == (206, whole.body[start:stop]), text
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
        assert part.headers["Content-Length"] == str(stop - start)
        assert part.headers["ETag"] == whole.headers["ETag"]


def test_a_range_that_cannot_be_used_is_passed_over(target: Target) -> None:
    url, whole = _result(target.run())
    for text in UNUSABLE:
        answer = ask("GET", url, headers={"Range": text})
        assert (answer.status, answer.body) == (200, whole.body), text
        assert "Content-Range" not in answer.headers


def test_a_range_outside_the_file_is_416(target: Target) -> None:
    url, whole = _result(target.run())
    size = len(whole.body)
    for text in (f"bytes={size}-", f"bytes={size}-{size}", "bytes=-0"):
        answer = ask("GET", url, headers={"Range": text})
        assert (answer.status, answer.content_type) == (416, "text/plain; charset=utf-8"), text
        assert answer.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize("name", ["result", "archive"])
def test_preconditions_come_before_the_range(target: Target, name: str) -> None:
    job = target.run()
    if name not in job.results():
        name = "item-000.txt"
    url, whole = _result(job, name)
    tag, modified = whole.headers["ETag"], whole.headers["Last-Modified"]
    part = {"Range": "bytes=1-2"}
    cases: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": tag, **part}, 304),
        ({"If-None-Match": f'"other", W/{tag}'}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": '"other"', **part}, 206),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": OLD}, 200),
        ({"If-Match": tag, **part}, 206),
        ({"If-Match": '"other"', **part}, 412),
        ({"If-Match": "*"}, 200),
        ({"If-Match": "*", "If-Unmodified-Since": OLD, **part}, 206),
        ({"If-Unmodified-Since": OLD}, 412),
        ({"If-Unmodified-Since": modified, **part}, 206),
        ({"If-Unmodified-Since": OLD, "If-Match": tag}, 200),
        ({"If-Range": tag, **part}, 206),
        ({"If-Range": '"other"', **part}, 200),
        ({"If-Range": OLD, **part}, 200),
    ]
    for headers, status in cases:
        answer = ask("GET", url, headers=headers)
        body = {200: whole.body, 206: whole.body[1:3], 412: PRECONDITION}.get(status, b"")
        assert (answer.status, answer.body) == (status, body), headers
        if status == 304:
            assert answer.headers["ETag"] == tag


def test_the_archive_is_taken_up_where_it_broke_off(cutout: Target) -> None:
    job = cutout.run(COLORS_FITS="gri")
    url, whole = _result(job, "archive")
    middle = len(whole.body) // 2 + 12345
    headers = {"Range": f"bytes={middle}-", "If-Range": whole.headers["ETag"]}
    rest = ask("GET", url, headers=headers)
    assert (rest.status, whole.body[:middle] + rest.body) == (206, whole.body)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(whole.body))) as tar:
        assert f"{job.id}/summary.json" in tar.getnames()


def test_the_archive_of_an_aborted_job_may_still_grow_and_has_no_tag(cutout: Target) -> None:
    job = cutout.executing()
    while not job.results():
        assert job.phase == "EXECUTING"
        sleep(0.05)
    assert "archive" not in job.results()
    assert job.post("/phase", PHASE="ABORT").status == 303
    url, whole = _result(job, "archive")
    assert "ETag" not in whole.headers
    part = ask("GET", url, headers={"Range": "bytes=1-2"})
    assert (part.status, part.body[:2]) == (200, b"\x1f\x8b")


def test_a_whole_tile_is_sent_in_parts_too(cutout: Target) -> None:
    url = f"{cutout.base}/tiles/TEST1/EAST0/g"
    whole = ask("GET", url)
    for text, status, body in (
        ("bytes=0-9", 206, whole.body[:10]),
        ("bytes=0-9,20-29", 200, whole.body),
        ("rows=0-9", 200, whole.body),
    ):
        answer = ask("GET", url, headers={"Range": text})
        assert (answer.status, answer.body == body) == (status, True)
    assert ask("GET", url, headers={"Range": f"bytes={len(whole.body)}-"}).status == 416
