"""The cutout job: connects the UWS server's job type to the cutout domain."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from typing_extensions import Buffer

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.chunk import cut_for_the_last_time, cut_rows, give_up_row
from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.finalize import finalize_results
from soda_service.cutouts.geometry import TileGeometry
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.notification_policy import NotificationPolicy
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

__all__ = ["CutoutJob", "as_uws_errors", "uws_error"]


_ZIP = "archive.zip"
"""The archive in another format; not listed, since the results have one archive already."""

_ROWS_LISTED_EARLY = 50
"""Jobs of more rows list no results before their end."""

_FILES_LISTED_EARLY = 200
"""Results listed before a job's end: each takes 15 microseconds in every request."""

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
"""Domain errors and their UWS kind (usage, transient or fatal); the first match counts."""


def uws_error(error: CutoutError) -> UWSError:
    """Return the UWS error of a domain error."""
    if isinstance(error, ConfigError):
        # Its text contains paths of the server, so users get a reference to the log instead.
        reference = log_bug(f"configuration error: {error}", {}, error)
        return FatalError(f"configuration error of the service, reference {reference}")
    kind = next(theirs for ours, theirs in _KINDS if isinstance(error, ours))
    if kind is FatalError:  # such as a damaged tile, which operators can mend
        return FatalError(f"{error}, reference {log_bug(str(error), {}, error)}")
    return kind(str(error))


@contextmanager
def as_uws_errors() -> Iterator[None]:
    """Convert domain errors to UWS errors; errors of job files become transient."""
    try:
        yield
    except CutoutError as error:
        raise uws_error(error) from error
    except OSError as error:
        raise TransientError(
            f"files of the job are unavailable: {error.strerror or 'no answer'}"
        ) from error


class CutoutJob:
    """Cutouts of many positions from one release.

    Parameters
    ----------
    holdings
        Releases, catalogue and tiles.
    settings
        Limits and sizes.
    pictures
        How pictures are made where a request does not specify it; by default like the programs.
    notifications
        Where messages about jobs may go; by default nowhere.
    """

    name = "cutout"

    def __init__(
        self,
        holdings: Holdings,
        settings: CutoutsConfig,
        pictures: PictureSettings | None = None,
        notifications: NotificationPolicy | None = None,
    ) -> None:
        self._holdings = holdings
        self._settings = settings
        self._pictures = pictures or PictureSettings()
        self._notifications = notifications or NotificationPolicy()

    def _read(self, parameters: Sequence[Parameter], files: JobFiles) -> CutoutRequest:
        return parse_request(parameters, self._holdings.releases, open_content=files.open)

    def check(self, parameters: Sequence[Parameter], files: JobFiles) -> tuple[str, ...]:
        """Check parameters and the first rows of the table; planning checks the others."""
        with as_uws_errors():
            request = self._read(parameters, files)
            notes = self._notifications.check(request)
            rows_max = self._settings.rows_max
            with rows_of(request, files, self._holdings.releases) as rows:
                most = min(self._settings.rows_checked_at_once, rows_max)
                checked = check_rows(rows, rows_max=most)
                if not checked.is_complete and rows.has_surely_more_than(rows_max):
                    raise TooManyRows(rows_max)
                checked.raise_faults()
                ids = warn_of_objects(request, rows, self._holdings.catalogue.releases)
                return (*notes, *request.warnings, *rows.warnings, *ids)

    def plan(self, context: JobContext) -> Plan:
        """Find the tiles of all rows, and group rows by tile."""
        with as_uws_errors():
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
        """Read the plan of a job; rebuild it from the parameters if another version wrote it."""
        content = read_plan(files, job.id)
        try:
            return JobPlan.from_json(content)
        except (KeyError, TypeError, ValueError):
            request = self._read(job.parameters, files)
            with rows_of(request, files, self._holdings.releases) as rows:
                time_s = content["query_time_s"]
                return JobPlan(request, rows.extra_columns, rows.is_table, time_s)

    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        """Cut the rows of a chunk that are not cut yet; record each as soon as it is done."""
        with as_uws_errors():
            return cut_rows(context, chunk, self._cutter(context, chunk))

    def _cutter(self, context: JobContext, chunk: Chunk, *, is_last: bool = False) -> Cutter:
        job, files = context.job, context.files
        release = self._holdings.releases.get(self._plan_of(job, files).request.release)

        def save(path: str, data: Buffer) -> None:
            files.write(f"{job.id}/{path}", data)

        geometry = TileGeometry(
            release,
            self._holdings.releases.index(release),
            self._holdings.reader,
            rows_of_tiles=dict(chunk.spec.get("rows_of_tiles", ())),
            progress=context.heartbeat,
        )
        return Cutter(geometry, save, pictures=self._pictures, is_last=is_last)

    def give_up_chunk(
        self, context: JobContext, chunk: Chunk, reason: str, *, is_whole: bool
    ) -> ChunkReport | None:
        """Record rows that cannot be cut: one, or all whose data are unavailable."""
        with as_uws_errors():
            if is_whole:
                return cut_for_the_last_time(
                    context, chunk, self._cutter(context, chunk, is_last=True)
                )
            return give_up_row(context, chunk, reason)

    def finish(self, context: JobContext, reports: Sequence[ChunkReport]) -> JobOutcome:
        """Write summary, manifests, positions table and log from the records of the rows.

        If no row could be done because data were unavailable, the job ends in a transient ERROR.
        Any other error counts against its row only.
        """
        job = context.job
        # The key is that of `Journal.report`.
        if reports and all(report.detail.get("away") and not report.done for report in reports):
            text = str(TransientError(reports[0].detail["away"]))
            return JobOutcome(error=ErrorSummary(text, ErrorKind.TRANSIENT))
        with as_uws_errors():
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
            return finalize_results(
                context,
                facts,
                results_listed_max=self._settings.results_listed_max,
                has_table=plan.is_table,
            )

    def partial_results(self, job: Job, files: JobFiles) -> Sequence[Result]:
        """List the finished files; for an aborted job also the archive.

        The list of an executing job is made for every request, so only small jobs have one. Each
        row has its share of the list, so that what was listed once stays in it.
        """
        most = self._settings.results_listed_max
        rows = job.progress.total
        if job.phase is not Phase.ABORTED:
            if rows > _ROWS_LISTED_EARLY:
                return ()
            early = min(most, _FILES_LISTED_EARLY)
            share = max(1, early // max(1, rows))
            return JobResults(files, job).partial_results(most=early, most_per_row=share)
        results = JobResults(files, job).partial_results(most=most)
        archive = Result("archive", "archive", "application/gzip")
        return [*results, archive] if results else []

    def find_result(self, job: Job, path: str, files: JobFiles) -> Result | None:
        """Find a file by its path in the job's tree, also while the job is executing.

        In small jobs, whose files are listed early, a file is also found by its name. A link that
        was listed stays valid, even if the finished job lists the file of an earlier row instead,
        or no files because there are too many.
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
        named = JobResults(files, job).partial_results(most=sys.maxsize)
        return next((result for result in named if result.id == path), None)

    def stream_result(self, job: Job, result: Result, files: JobFiles) -> Iterator[bytes] | None:
        """Return the stream of an archive, which is made while it is sent; None for files."""
        make = {"archive": stream_archive, _ZIP: stream_zip}.get(result.key)
        return None if make is None else make(files, job.id, job.creation_time)
