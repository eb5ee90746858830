"""The cutout job: the bridge between the UWS server's job type and the cutout domain."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from typing_extensions import Buffer

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.chunk import cut_for_the_last_time, cut_rows, give_up_row
from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.finalize import join_results
from soda_service.cutouts.geometry import Placer
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.notification_policy import Wishes
from soda_service.cutouts.pictures import PictureSettings
from soda_service.cutouts.planning import plan_cutouts
from soda_service.errors import (
    BandMissing,
    ConfigError,
    CutoutError,
    OptionsError,
    SourceUnavailable,
    TooManyRows,
    UnknownRelease,
    UnknownTile,
)
from soda_service.request.request import parse_request
from soda_service.request.rows import check_rows, rows_of, warn_of_objects
from soda_service.request.values import CutoutRequest
from soda_service.results.archive import stream_archive
from soda_service.results.plan import JobPlan, read_plan
from soda_service.results.reading import JobResults
from soda_service.results.summary import JobFacts
from soda_service.results.tree import is_public, media_type_of
from soda_service.results.zipped import stream_zip
from uws.errors import (
    FatalError,
    NotFoundError,
    TooLargeError,
    TransientError,
    UsageError,
    UWSError,
)
from uws.files import JobFiles
from uws.incidents import log_bug
from uws.jobtype import JobContext, Plan
from uws.jobtype import Outcome as JobOutcome
from uws.models import Chunk, ChunkReport, ErrorKind, ErrorSummary, Job, Parameter, Phase, Result

__all__ = ["CutoutJob", "told_by_uws", "uws_error"]


_ZIP = "archive.zip"
"""The archive in another form; not among the results, which have it once."""

_ROWS_LISTED_EARLY = 50
"""Jobs of more rows list no results before their end."""

_FILES_LISTED_EARLY = 200
"""Results listed before a job's end: each costs 15 microseconds every time that it is looked at."""

_KINDS: tuple[tuple[type[CutoutError], type[UWSError]], ...] = (
    (TooManyRows, TooLargeError),
    (OptionsError, UsageError),
    (UnknownRelease, NotFoundError),
    (UnknownTile, NotFoundError),
    (BandMissing, NotFoundError),
    (SourceUnavailable, TransientError),
    (ConfigError, FatalError),
    (CutoutError, FatalError),
)
"""Domain errors sorted into the user's, the moment's and ours; the first match counts."""


def uws_error(error: CutoutError) -> UWSError:
    """Say a domain error in the UWS server's words."""
    if isinstance(error, ConfigError):
        # Its text names files of the server; users get a reference to the log instead.
        reference = log_bug(f"configuration is at fault: {error}", {}, error)
        return FatalError(f"the service's configuration is at fault, reference {reference}")
    return next(theirs for ours, theirs in _KINDS if isinstance(error, ours))(str(error))


@contextmanager
def told_by_uws() -> Iterator[None]:
    """Turn domain errors into the UWS server's; trouble with files is the moment's."""
    try:
        yield
    except CutoutError as error:
        raise uws_error(error) from error
    except OSError as error:
        raise TransientError(f"files of the job: {error.strerror or 'not reachable'}") from error


class CutoutJob:
    """Cutouts of many positions from one release.

    Parameters
    ----------
    holdings
        The releases and what belongs to them.
    settings
        Limits and sizes.
    pictures
        How pictures are made where a request does not say; by default as the programs do.
    wishes
        Who may be told of jobs, and how; by default nobody is.
    """

    name = "cutout"

    def __init__(
        self,
        holdings: Holdings,
        settings: CutoutsConfig,
        pictures: PictureSettings | None = None,
        wishes: Wishes | None = None,
    ) -> None:
        self._holdings = holdings
        self._settings = settings
        self._pictures = pictures or PictureSettings()
        self._wishes = wishes or Wishes()

    def _read(self, parameters: Sequence[Parameter], files: JobFiles) -> CutoutRequest:
        return parse_request(parameters, self._holdings.releases, open_content=files.open)

    def check(self, parameters: Sequence[Parameter], files: JobFiles) -> tuple[str, ...]:
        """Check parameters and, up to a number of rows, the table; longer ones when planned."""
        with told_by_uws():
            request = self._read(parameters, files)
            wishes = self._wishes.check(request)
            rows_max = self._settings.rows_max
            with rows_of(request, files, self._holdings.releases) as rows:
                most = min(self._settings.rows_checked_at_once, rows_max)
                checked = check_rows(rows, rows_max=most)
                if not checked.is_complete and rows.has_surely_more_than(rows_max):
                    raise TooManyRows(rows_max)
                checked.raise_faults()
                ids = warn_of_objects(request, rows, self._holdings.catalogue.releases)
                return (*wishes, *request.warnings, *rows.warnings, *ids)

    def plan(self, context: JobContext) -> Plan:
        """Match all rows to tiles, and put rows of one tile together."""
        with told_by_uws():
            request = self._read(context.job.parameters, context.files)
            with rows_of(request, context.files, self._holdings.releases) as rows:
                return plan_cutouts(
                    context,
                    request,
                    rows,
                    self._holdings,
                    chunk_rows=self._settings.chunk_rows,
                    rows_max=self._settings.rows_max,
                )

    def _plan_of(self, job: Job, files: JobFiles) -> JobPlan:
        """Read the plan of a job; what another version of the service wrote is made good."""
        content = read_plan(files, job.id)
        try:
            return JobPlan.from_json(content)
        except (KeyError, TypeError, ValueError):
            request = self._read(job.parameters, files)
            with rows_of(request, files, self._holdings.releases) as rows:
                time_s = content["query_time_s"]
                return JobPlan(request, rows.extra_columns, rows.is_table, time_s)

    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        """Cut the rows of a chunk that are not cut yet; each is noted as soon as it is done."""
        with told_by_uws():
            return cut_rows(context, chunk, self._cutter(context, chunk))

    def _cutter(self, context: JobContext, chunk: Chunk, *, is_last: bool = False) -> Cutter:
        job, files = context.job, context.files
        release = self._holdings.releases.get(self._plan_of(job, files).request.release)

        def save(path: str, data: Buffer) -> None:
            files.write(f"{job.id}/{path}", data)

        placer = Placer(
            release,
            self._holdings.releases.index(release),
            self._holdings.reader,
            rows_of_tiles=dict(chunk.spec.get("rows_of_tiles", ())),
            progress=context.heartbeat,
        )
        return Cutter(placer, save, pictures=self._pictures, is_last=is_last)

    def give_up_chunk(
        self, context: JobContext, chunk: Chunk, reason: str, *, is_whole: bool
    ) -> ChunkReport | None:
        """Account for rows that cannot be worked: one, or all whose data are away."""
        with told_by_uws():
            if is_whole:
                return cut_for_the_last_time(
                    context, chunk, self._cutter(context, chunk, is_last=True)
                )
            return give_up_row(context, chunk, reason)

    def finish(self, context: JobContext, reports: Sequence[ChunkReport]) -> JobOutcome:
        """Join the rows' accounts into summary, manifests, positions table and log.

        A job of which nothing could be done because its data were away is in ERROR, for the
        moment; every other fault is its row's.
        """
        job = context.job
        if reports and all(report.detail.get("away") and not report.done for report in reports):
            text = str(TransientError(reports[0].detail["away"]))
            return JobOutcome(error=ErrorSummary(text, ErrorKind.TRANSIENT))
        with told_by_uws():
            plan = self._plan_of(job, context.files)
            facts = JobFacts(
                job.id,
                job.url,
                job.owner,
                plan.request.job_name or job.run_id,
                self._holdings.releases.get(plan.request.release),
                plan.request.options,
                plan.extra_columns,
                warnings=job.notes,
                query_time_s=plan.query_time_s,
            )
            return join_results(
                context,
                facts,
                results_listed_max=self._settings.results_listed_max,
                has_table=plan.is_table,
            )

    def results_so_far(self, job: Job, files: JobFiles) -> Sequence[Result]:
        """List the files that are finished; with the archive, where the job was aborted.

        While a job executes its list is made for each who asks: only that of few rows.
        """
        most = self._settings.results_listed_max
        if job.phase is not Phase.ABORTED:
            has_few = job.progress.total <= _ROWS_LISTED_EARLY
            early = min(most, _FILES_LISTED_EARLY)
            return JobResults(files, job).files_so_far(most=early) if has_few else ()
        results = JobResults(files, job).files_so_far(most=most)
        archive = Result("archive", "archive", "application/gzip")
        return [*results, archive] if results else []

    def find_result(self, job: Job, path: str, files: JobFiles) -> Result | None:
        """Find a file by its path in the job's tree, also while the job is executing.

        In a job whose list is shown early by its name too: a link that was listed stays good,
        also where it made way for an earlier row's, or where the files are too many in the end.
        """
        if path == _ZIP and job.phase in {Phase.COMPLETED, Phase.ABORTED}:
            return Result(_ZIP, _ZIP, "application/zip")
        if not is_public(path):
            return None
        key = f"{job.id}/{path}"
        try:
            return Result(path, key, media_type_of(path), files.stat(key).size_bytes)
        except FileNotFoundError:
            if job.progress.total > _ROWS_LISTED_EARLY:
                return None
        named = JobResults(files, job).files_so_far(most=sys.maxsize)
        return next((result for result in named if result.id == path), None)

    def stream_result(self, job: Job, result: Result, files: JobFiles) -> Iterator[bytes] | None:
        """Make an archive while it is sent; all else is a file."""
        make = {"archive": stream_archive, _ZIP: stream_zip}.get(result.key)
        return None if make is None else make(files, job.id, job.creation_time)
