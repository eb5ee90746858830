"""UWS-9 to UWS-17, UWS-T12 and UWS-T20: the job list and its filters."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from tests.contract.rules.targets import HREF, UWS, JobAt, Target, Toy
from uws.models import Phase

XLINK_TYPE = "{http://www.w3.org/1999/xlink}type"


@pytest.fixture
def three(target: Target) -> list[JobAt]:
    """Make three jobs, oldest first: PENDING, ABORTED, PENDING."""
    jobs = [target.create(), target.create(RUNID="night 7"), target.create()]
    assert jobs[1].post("/phase", PHASE="ABORT").status == 303
    return jobs


def _own(found: list[str], jobs: list[JobAt]) -> list[int]:
    """Give the places of a list's jobs among `jobs`, passing over those of others."""
    places = {job.id: place for place, job in enumerate(jobs)}
    return [places[job_id] for job_id in found if job_id in places]


def test_uws_9_the_list_has_all_jobs(target: Target, three: list[JobAt]) -> None:
    assert _own(target.ids(), three) == [2, 1, 0]


def test_uws_9_a_list_may_be_empty(target: Target) -> None:
    document = target.checked(target.get_jobs("?PHASE=HELD"))
    assert (document.tag, len(document)) == (f"{UWS}jobs", 0)


def test_uws_10_an_entry_has_its_link_and_its_children_in_order(
    target: Target, three: list[JobAt]
) -> None:
    document = target.checked(target.get_jobs())
    entries = {entry.get("id"): entry for entry in document}
    labelled, bare = entries[three[1].id], entries[three[0].id]
    assert dict(labelled.attrib) == {
        "id": three[1].id,
        XLINK_TYPE: "simple",
        HREF: three[1].url,
    }
    names = [child.tag.removeprefix(UWS) for child in labelled]
    assert names == ["phase", "runId", "ownerId", "creationTime"]
    assert [child.text for child in labelled][:2] == ["ABORTED", "night 7"]
    assert [child.tag.removeprefix(UWS) for child in bare] == ["phase", "ownerId", "creationTime"]
    assert bare.findtext(f"{UWS}creationTime") == three[0].text("creationTime")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?PHASE=PENDING", [2, 0]),
        ("?PHASE=ABORTED", [1]),
        ("?PHASE=ABORTED&PHASE=PENDING", [2, 1, 0]),
        ("?phase=aborted&Phase=ERROR", [1]),
        ("?PHASE=COMPLETED", []),
    ],
)
def test_uws_11_phases_are_joined(
    target: Target, three: list[JobAt], query: str, expected: list[int]
) -> None:
    assert _own(target.ids(query), three) == expected


def test_uws_12_archived_jobs_are_listed_by_their_phase_alone(toy: Toy) -> None:
    jobs = [toy.seed(Phase.ARCHIVED), toy.create()]
    after = quote((datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    for query in ("", "?LAST=100", f"?AFTER={after}", "?PHASE=PENDING"):
        assert _own(toy.ids(query), jobs) == [1], query
    assert _own(toy.ids("?PHASE=ARCHIVED"), jobs) == [0]
    assert _own(toy.ids("?PHASE=ARCHIVED&PHASE=PENDING&LAST=100"), jobs) == [1, 0]


def test_uws_13_after_is_strictly_later_than_the_creation(
    target: Target, three: list[JobAt]
) -> None:
    for place, expected in ((0, [2, 1]), (1, [2]), (2, [])):
        instant = three[place].text("creationTime") or ""
        assert _own(target.ids(f"?AFTER={instant}"), three) == expected
        assert _own(target.ids(f"?AFTER={instant.removesuffix('Z')}"), three) == expected


def test_uws_14_t12_last_are_those_created_last_newest_first(
    target: Target, three: list[JobAt]
) -> None:
    assert three[0].post("/phase", PHASE="ABORT").status == 303  # moves nothing in the list
    assert target.ids("?LAST=2") == [three[2].id, three[1].id]
    assert target.ids("?LAST=1") == [three[2].id]
    assert _own(target.ids("?LAST=99999999999999"), three) == [2, 1, 0]


def test_uws_15_filters_are_joined_by_and_before_the_list_is_cut(
    target: Target, three: list[JobAt]
) -> None:
    first = three[0].text("creationTime")
    assert target.ids("?PHASE=ABORTED&LAST=1") == [three[1].id]
    assert target.ids(f"?PHASE=PENDING&AFTER={first}&LAST=5") == [three[2].id]
    assert target.ids(f"?AFTER={first}&LAST=1&PHASE=PENDING&PHASE=ABORTED") == [three[2].id]


@pytest.mark.parametrize(
    "query",
    [
        "PHASE=pendinggg",
        "PHASE=",
        "LAST=0",
        "LAST=-1",
        "LAST=x",
        "LAST=1.5",
        "LAST=1&last=2",
        "AFTER=sometext",
        "AFTER=2015-26-10",
        "AFTER=2015-10-26T09:15:35%2B01:00",
        "AFTER=2015-10-26T09:15:35+01:00",
        "AFTER=2015&AFTER=2016",
    ],
)
def test_uws_16_bad_filters_are_400(target: Target, query: str) -> None:
    answer = target.get_jobs(f"?{query}")
    assert (answer.status, answer.content_type) == (400, "text/plain; charset=utf-8")
    assert answer.text.partition(":")[0] in {"UsageError", "MultiValuedParamNotSupported"}


@pytest.mark.parametrize(
    "after",
    [
        "2015-10-26T09:15:35",
        "2015-10-26 09:00",
        "2015-10-26",
        "2015",
        "20151026",
        "2015-10-26T09:15:35.5Z",
    ],
)
def test_uws_16_loose_instants_are_read(target: Target, three: list[JobAt], after: str) -> None:
    assert _own(target.ids(f"?AFTER={quote(after)}"), three) == [2, 1, 0]


def test_uws_17_the_list_is_never_cut_unasked(target: Target, three: list[JobAt]) -> None:
    answer = target.get_jobs()
    assert (answer.status, answer.location) == (200, "")
    assert _own(target.ids("?UNKNOWN=x"), three) == [2, 1, 0]


@pytest.fixture
def quiet(toy: Toy) -> dict[str, str]:
    """Give the headers of an owner without jobs."""
    return toy.as_owner("nobody else")


def test_uws_t20_the_list_is_valid_with_and_without_jobs(toy: Toy, quiet: dict[str, str]) -> None:
    empty = toy.checked(toy.get_jobs(**quiet))
    assert (empty.tag, len(empty), dict(empty.attrib)) == (f"{UWS}jobs", 0, {"version": "1.1"})
    toy.post({}, **quiet)
    assert len(toy.checked(toy.get_jobs(**quiet))) == 1


def test_uws_t20_the_list_has_one_entry_a_job(cutout: Target) -> None:
    job = cutout.create()
    document = cutout.checked(cutout.get_jobs("?LAST=1"))
    assert [(e.tag, e.get("id")) for e in document] == [(f"{UWS}jobref", job.id)]
