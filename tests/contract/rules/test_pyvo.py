"""pyvo's UWS client on the toy server: what its users do with a job (UWS-T1, T2, T6, T13)."""

from datetime import UTC, datetime, timedelta

import pytest
from pyvo.dal.exceptions import DALQueryError
from pyvo.dal.tap import AsyncTAPJob

from tests.contract.rules.targets import Toy
from tests.contract.rules.wire import ask


def _submit(toy: Toy, **form: str) -> AsyncTAPJob:
    return AsyncTAPJob(toy.create(**form).url, delete=False)


def test_pyvo_runs_a_job_and_reads_its_results(toy: Toy) -> None:
    job = _submit(toy, WORD="sky", TIMES="2", RUNID="night 7")
    assert (job.phase, job.owner, job.execution_duration.sec) == ("PENDING", None, 600)
    job.execution_duration = 30
    when = (datetime.now(UTC) + timedelta(days=2)).replace(tzinfo=None)
    job.destruction = when
    assert job.execution_duration.sec == 30
    assert job.destruction.to_datetime() == when
    job.run().wait(phases=["COMPLETED", "ERROR"], timeout=60)
    assert job.phase == "COMPLETED"
    assert [result.id_ for result in job.results] == ["item-000.txt", "item-001.txt", "result"]
    assert job.result_uri == f"{job.url}/results/result"
    assert ask("GET", job.result_uri).text == "sky 0\nsky 1\n"
    assert job.job.runid == "night 7"
    url = job.url
    job.delete()
    assert ask("GET", url).status == 404


def test_pyvo_shows_the_reason_of_a_failure(toy: Toy) -> None:
    job = _submit(toy, WORLD="sky")
    job.run().wait(phases=["COMPLETED", "ERROR"], timeout=60)
    with pytest.raises(DALQueryError, match="unknown parameter WORLD"):
        job.raise_if_error()


def test_pyvo_aborts_a_job(toy: Toy) -> None:
    job = _submit(toy, WORD="sky")
    job.abort()
    assert job.phase == "ABORTED"
