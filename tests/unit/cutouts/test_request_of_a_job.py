"""Workers have the request from the plan; jobs that an earlier version planned finish as well."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.job_type import CutoutJob
from soda_service.pixels.reader import TileReader
from soda_service.results.reading import JobResults
from soda_service.results.tree import plan_summary_key
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from tests.synthetic import DEC_DEG, RA_DEG
from uws.files import JobFiles
from uws.jobtype import Plan
from uws.localfiles import LocalFiles
from uws.models import Chunk, Job, Parameter, Phase, Progress

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = f"RA,DEC,name,FITS_COLORS\n{RA_DEG},{DEC_DEG},first,gr\n10,10,second,g\n"

WAYS = {
    "table": (Parameter("POSITIONS", TABLE), Parameter("XSIZE", "0.1")),
    "file": (Parameter("MINE", "j1/table", by_reference=True),
             Parameter("UPLOAD", "positions,param:mine"), Parameter("RUNID", "label")),
    "position": (Parameter("RA", str(RA_DEG)), Parameter("DEC", str(DEC_DEG)),
                 Parameter("YPIX", "9"), Parameter("JOBNAME", "one")),
    "filters": (Parameter("CIRCLE", f"{RA_DEG} {DEC_DEG} 0.001"), Parameter("CIRCLE", "10 10 1"),
                Parameter("MASK", "true")),
}  # fmt: skip


@dataclass
class Context:
    """A step of a job without a server."""

    files: JobFiles
    job: Job

    def heartbeat(self) -> None:
        """Nobody takes the job away."""

    def report_total(self, items: int) -> None:
        """Nobody looks."""

    def item_done(self) -> None:
        """Nobody counts."""


@pytest.fixture
def job_type(survey: Path) -> Iterator[CutoutJob]:
    catalogue = ObjectCatalogue(f"sqlite:///{survey / 'soda.db'}")
    yield CutoutJob(
        Holdings(Releases([survey / "releases"]), catalogue, TileReader()), CutoutsConfig()
    )
    catalogue.dispose()


@pytest.fixture
def context(tmp_path: Path) -> Context:
    files = LocalFiles(tmp_path)
    files.write("j1/table", TABLE.encode())
    return Context(files, Job("j1", "cutout", "", Phase.EXECUTING, NOW, NOW, 0))


def finish(job_type: CutoutJob, context: Context, plan: Plan) -> dict[str, Any]:
    """Work what was planned; give the summary without what differs from run to run."""
    context.job = replace(context.job, progress=Progress(plan.done + sum(
        chunk.total for chunk in plan.chunks)))  # fmt: skip
    chunks = [Chunk("j1", n, each.spec, each.total) for n, each in enumerate(plan.chunks)]
    reports = [job_type.run_chunk(context, chunk) for chunk in chunks]
    assert sum(report.failed for report in reports) == 0
    outcome = job_type.finish(context, reports)
    with context.files.open("j1/summary.json") as stream:
        content: dict[str, Any] = json.load(stream)
    for name in ("processing_time", "query_time"):
        content.pop(name)
    return content | {"results": [result.id for result in outcome.results]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["earlier", "another"])
def test_jobs_that_another_version_planned_are_finished_the_same(
    job_type: CutoutJob, context: Context, tmp_path: Path, way: str, version: str
) -> None:
    context.job = replace(context.job, parameters=WAYS[way])
    expected = finish(job_type, context, job_type.plan(context))
    rows = JobResults(context.files, context.job).page(0, 9).rows

    other = Context(LocalFiles(tmp_path / "other"), context.job)
    other.files.write("j1/table", TABLE.encode())
    plan = job_type.plan(other)
    key = plan_summary_key("j1")
    with other.files.open(key) as stream:
        facts = json.load(stream)
    if version == "earlier":
        facts = {"query_time_s": facts["query_time_s"], "planned": "2026-01-01T00:00:00+00:00"}
    else:
        facts["request"]["options"]["of_tomorrow"] = 1
    other.files.write(key, json.dumps(facts).encode())
    assert finish(job_type, other, plan) == expected
    assert JobResults(other.files, other.job).page(0, 9).rows == rows


FORMER_TABLE = f"""RA,DEC,XSIZE,MAKE_RGB_LUPTON,RGB_STRETCH,name
{RA_DEG},{DEC_DEG},0.1,true,20,first
10,10,,,,second
{RA_DEG},{DEC_DEG},,,,third
"""
FORMER_PARAMETERS = (
    Parameter("POSITIONS", FORMER_TABLE),
    Parameter("YSIZE", "0.2"),
    Parameter("RGB_LUPTON_COLORS", "zrg"),
)
# The files that such a service wrote when options of pictures were fields of `CutoutOptions`.
FORMER_PLAN = Path(__file__).parent / "former_plan"


def test_job_of_a_former_version_finishes_the_same(
    job_type: CutoutJob, context: Context, tmp_path: Path
) -> None:
    context.job = replace(context.job, parameters=FORMER_PARAMETERS)
    plan = job_type.plan(context)
    expected = finish(job_type, context, plan)
    statuses = [(row["STATUS"], row["MAKE_RGB_LUPTON"]) for row in expected["cutouts"]]
    assert statuses == [("ok", 1.0), ("unmatched", 0.0), ("ok", 0.0)]

    former = Context(LocalFiles(tmp_path / "former"), context.job)
    for path in filter(Path.is_file, FORMER_PLAN.rglob("*")):
        former.files.write(f"j1/.work/{path.relative_to(FORMER_PLAN)}", path.read_bytes())
    assert finish(job_type, former, plan) == expected


@pytest.mark.parametrize("way", WAYS)
def test_parameters_are_not_read_again_once_a_job_is_planned(
    job_type: CutoutJob, context: Context, way: str
) -> None:
    context.job = replace(context.job, parameters=WAYS[way])
    plan = job_type.plan(context)
    context.job = replace(context.job, parameters=(Parameter("NONSENSE", "1"),))
    context.files.delete("j1/table")
    summary = finish(job_type, context, plan)
    statuses = ["ok"] if way == "position" else ["ok", "unmatched"]
    assert [row["STATUS"] for row in summary["cutouts"]] == statuses
    users = [row["user"] for row in JobResults(context.files, context.job).page(0, 9).rows]
    own = [{"name": "first", "FITS_COLORS": "gr"}, {"name": "second", "FITS_COLORS": "g"}]
    assert users == (own if way in {"table", "file"} else [{}] * len(users))
    # Each row of such a job has its result, be it why there is none (SODA-25).
    assert ("no-overlap-0002.txt" in summary["results"]) == (way == "filters")
