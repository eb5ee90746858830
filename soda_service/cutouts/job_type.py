"""The cutout job: the bridge between the UWS server's job type and the cutout domain."""

import io
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from typing_extensions import Buffer

from soda_service.config.model import CutoutsConfig
from soda_service.cutouts.chunk import cut_for_the_last_time, cut_rows, give_up_row
from soda_service.cutouts.cutting import Cutter
from soda_service.cutouts.finalize import join_results
from soda_service.cutouts.geometry import Placer
from soda_service.cutouts.holdings import Sky
from soda_service.cutouts.notification_policy import Wishes
from soda_service.cutouts.pictures import PictureSettings
from soda_service.cutouts.planning import plan_cutouts
from soda_service.errors import (
    BandMissing,
    ConfigError,
    CutoutError,
    Fault,
    OptionsError,
    SourceUnavailable,
    TooManyRows,
    UnknownRelease,
    UnknownTile,
)
from soda_service.request.positions import check_positions, open_positions
from soda_service.request.request import job_options, parse_request, table_of, warn_of_catalogue
from soda_service.request.rows import select_rows
from soda_service.request.values import CutoutRequest, PositionRow
from soda_service.request.votabletext import csv_of
from soda_service.results.archive import stream_archive
from soda_service.results.plan import JobPlan
from soda_service.results.reading import JobResults
from soda_service.results.summary import JobFacts
from soda_service.results.tree import is_public, media_type_of
from soda_service.results.zipped import stream_zip
from soda_service.sky.release import Release
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

__all__ = ["CutoutJob", "open_table", "table_warnings", "told_by_uws", "uws_error"]


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


def table_warnings(
    parameters: Sequence[Parameter], columns: Collection[str], release: Release, sky: Sky
) -> tuple[str, ...]:
    """Warn of objects that are looked up in a release that nobody named."""
    if "COADD_OBJECT_ID" not in columns or any(p.name == "RELEASE" for p in parameters):
        return ()
    return warn_of_catalogue(release, sky.catalogue.releases())


def open_table(parameter: Parameter, files: JobFiles) -> BinaryIO:
    """Open a positions table as CSV, be it a text or kept by reference, CSV or VOTable."""
    if parameter.by_reference:
        return csv_of(files.open(parameter.value))
    return csv_of(io.BytesIO(parameter.value.encode()))


class CutoutJob:
    """Cutouts of many positions from one release.

    Parameters
    ----------
    sky
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
        sky: Sky,
        settings: CutoutsConfig,
        pictures: PictureSettings | None = None,
        wishes: Wishes | None = None,
    ) -> None:
        self._sky = sky
        self._settings = settings
        self._pictures = pictures or PictureSettings()
        self._wishes = wishes or Wishes()

    def _request(
        self, parameters: Sequence[Parameter], files: JobFiles, *, catalogues: Collection[str] = ()
    ) -> tuple[CutoutRequest, Release]:
        """Read the parameters; warnings of object ids need the names of all `catalogues`."""
        releases = self._sky.releases
        request = parse_request(
            parameters, releases, catalogues=catalogues, open_content=files.open
        )
        return request, releases.get(request.release)

    def check(self, parameters: Sequence[Parameter], files: JobFiles) -> tuple[str, ...]:
        """Check parameters and, up to a number of rows, the table; longer ones when planned."""
        with told_by_uws():
            catalogues = self._sky.catalogue.releases()
            request, release = self._request(parameters, files, catalogues=catalogues)
            wishes = self._wishes.check(request)
            table = table_of(parameters)
            if request.filters is not None:
                # Whether the release can tell; which pixels there are is for the worker to see.
                for _ in select_rows(request.filters, request.options, release, self._sky.releases):
                    break
            if table is None:
                return (*wishes, *request.warnings)
            with open_table(table, files) as stream:
                most = min(self._settings.rows_checked_at_once, self._settings.rows_max)
                options = job_options(parameters)
                checked = check_positions(stream, release, options, rows_max=most)
            self._refuse_too_long(table, files, is_complete=checked.is_complete)
            checked.raise_faults()
            return (
                *wishes,
                *request.warnings,
                *checked.warnings,
                *table_warnings(parameters, checked.columns, release, self._sky),
            )

    def _refuse_too_long(self, table: Parameter, files: JobFiles, *, is_complete: bool) -> None:
        """Refuse a table that is sure to have too many rows, without reading its cells."""
        rows_max = self._settings.rows_max
        if is_complete:
            return
        with open_table(table, files) as stream:
            # Where nothing is quoted a line that is not blank is a row; the first is the header.
            rows = -1
            for line in stream:
                rows += not line.isspace()
                if b'"' in line:
                    return
                if rows > rows_max:
                    raise TooManyRows(rows_max)

    def plan(self, context: JobContext) -> Plan:
        """Match all rows to tiles, and put rows of one tile together."""
        job = context.job
        with told_by_uws():
            request, release = self._request(job.parameters, context.files)
            table = table_of(job.parameters)
            if request.filters is not None:
                chosen = select_rows(request.filters, request.options, release, self._sky.releases)
                return self._plan(context, chosen, release)
            if table is None:
                row = PositionRow(
                    1, request.ra_deg, request.dec_deg, request.object_id, request.options
                )
                return self._plan(context, [row], release)
            with open_table(table, context.files) as stream:
                rows = open_positions(stream, release, job_options(job.parameters))
                return self._plan(context, rows, release)

    def _plan(
        self, context: JobContext, rows: Iterable[PositionRow | Fault], release: Release
    ) -> Plan:
        return plan_cutouts(
            context,
            rows,
            release,
            self._sky,
            chunk_rows=self._settings.chunk_rows,
            rows_max=self._settings.rows_max,
        )

    def run_chunk(self, context: JobContext, chunk: Chunk) -> ChunkReport:
        """Cut the rows of a chunk that are not cut yet; each is noted as soon as it is done."""
        with told_by_uws():
            return cut_rows(context, chunk, self._cutter(context, chunk))

    def _cutter(self, context: JobContext, chunk: Chunk, *, is_last: bool = False) -> Cutter:
        job, files = context.job, context.files
        _, release = self._request(job.parameters, files)

        def save(path: str, data: Buffer) -> None:
            files.write(f"{job.id}/{path}", data)

        placer = Placer(
            release,
            self._sky.releases.index(release),
            self._sky.reader,
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
            request, release = self._request(job.parameters, context.files)
            table = table_of(job.parameters)
            extra: tuple[str, ...] = ()
            if table is not None:
                with open_table(table, context.files) as stream:
                    rows = open_positions(stream, release, job_options(job.parameters))
                    extra = rows.extra_columns
            facts = JobFacts(
                job.id,
                job.url,
                job.owner,
                request.job_name or job.run_id,
                release,
                request.options,
                extra,
                warnings=job.notes,
                query_time_s=JobPlan.read(context.files, job.id).query_time_s,
            )
            return join_results(
                context,
                facts,
                results_listed_max=self._settings.results_listed_max,
                has_table=table is not None,
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
