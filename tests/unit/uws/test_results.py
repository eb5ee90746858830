"""Results in the midst of a job: what cannot be told does not take the document away."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from typing_extensions import override

from tests.toyjob import ToyJob, set_type
from tests.uws_runtime import RecordingExecutor, bring_to, open_runtime
from uws.errors import TransientError
from uws.files import JobFiles
from uws.models import Job, Phase, Result
from uws.results import current_results
from uws.service import JobService


class Untold(ToyJob):
    def __init__(self, error: Exception) -> None:
        self.error = error

    @override
    def partial_results(self, job: Job, files: JobFiles) -> Sequence[Result]:
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError("away"), TransientError("away"), KeyError("a bug")], ids=repr
)
def test_results_that_cannot_be_told(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = open_runtime(tmp_path, RecordingExecutor())
    service = JobService(set_type(runtime, Untold(error)))
    job = runtime.store.get(bring_to(service, Phase.EXECUTING))
    assert current_results(runtime, job) == ()
    assert "results so far not listed" in caplog.text
