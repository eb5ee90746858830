"""Links to jobs: made and revoked by their owner, opened by who has them."""

import pytest

from uws.errors import AuthorizationError, NotFoundError, TooManyError, UsageError
from uws.models import Parameter
from uws.notify.links import SHARES_MAX, JobSharing
from uws.runtime import Runtime
from uws.service import JobService


@pytest.fixture
def service(runtime: Runtime) -> JobService:
    return JobService(runtime)


@pytest.fixture
def job_id(service: JobService) -> str:
    return service.create("vera", [Parameter("WORD", "sky")], job_type="toy").id


def test_a_link_opens_its_job_for_anybody(service: JobService, job_id: str) -> None:
    sharing = JobSharing(service)
    tokens = {sharing.create("vera", job_id) for _ in range(3)}
    assert len(tokens) == 3
    assert {sharing.open(token).id for token in tokens} == {job_id}
    assert all(len(token) >= 22 for token in tokens)


def test_a_revoked_link_opens_nothing(service: JobService, job_id: str) -> None:
    sharing = JobSharing(service)
    first, second = sharing.create("vera", job_id), sharing.create("vera", job_id)
    oldest, newest = sharing.list("vera", job_id)
    assert oldest.created_time <= newest.created_time
    sharing.revoke("vera", job_id, oldest.id)
    with pytest.raises(NotFoundError, match="it may have been revoked"):
        sharing.open(first)
    assert sharing.open(second).id == job_id
    with pytest.raises(NotFoundError, match="has no link"):
        sharing.revoke("vera", job_id, oldest.id)


@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\N{SNOWMAN}", "' OR 1=1 --"])
def test_what_is_no_token_opens_nothing(service: JobService, token: str) -> None:
    with pytest.raises(NotFoundError):
        JobSharing(service).open(token)


def test_links_are_the_owners_and_go_with_the_job(service: JobService, job_id: str) -> None:
    sharing = JobSharing(service)
    token = sharing.create("vera", job_id)
    for verb in (sharing.create, sharing.list):
        with pytest.raises(AuthorizationError):
            verb("cecilia", job_id)
    with pytest.raises(AuthorizationError):
        sharing.revoke("cecilia", job_id, sharing.list("vera", job_id)[0].id)
    service.delete("vera", job_id)
    with pytest.raises(NotFoundError):
        sharing.open(token)


def test_links_are_bounded(service: JobService, job_id: str) -> None:
    sharing = JobSharing(service)
    for _ in range(SHARES_MAX):
        sharing.create("vera", job_id)
    with pytest.raises(TooManyError, match="has 100 links; revoke one first"):
        sharing.create("vera", job_id)


def test_a_job_is_renamed_by_its_owner(service: JobService, job_id: str) -> None:
    assert service.rename("vera", job_id, "  night 1 ").run_id == "night 1"
    assert service.rename("vera", job_id, "").run_id == ""
    with pytest.raises(AuthorizationError):
        service.rename("cecilia", job_id, "x")
    for wrong in ("x" * 65, "a\nb", "a\x00b"):
        with pytest.raises(UsageError, match="NAME: allowed are 64 characters"):
            service.rename("vera", job_id, wrong)


def test_many_jobs_are_those_of_the_caller(service: JobService, job_id: str) -> None:
    mine = service.create("cecilia", [], job_type="toy").id
    everybodys = service.create("", [], job_type="toy").id
    assert set(service.get_many("cecilia", [job_id, mine, everybodys])) == {mine, everybodys}
