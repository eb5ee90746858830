"""`/links`: the files and services of a data set, or the results of a job (DataLink 1.1)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from pathlib import Path

from flask import Blueprint, Response, request

from soda_service.errors import CutoutError, Fault, OptionsError, UnknownRelease, UnknownTile
from soda_service.formats.votable import MEDIA_TYPE
from soda_service.pixels.paths import locate
from soda_service.results.reading import JobResults
from soda_service.sky.dataset import Dataset, find_dataset
from soda_service.sky.releases import Releases
from soda_service.vo.datalink import Link, LinkMaker, write_links
from soda_service.vo.images import DATALINK_TYPE
from soda_service.vo.joblinks import document_links, manifest_links, result_links
from soda_service.web.access import caller
from soda_service.web.services import Services
from soda_service.web.votables import fault_of_error, fault_votable, request_texts
from uws.errors import NotFoundError, UWSError
from uws.models import FINISHED, Phase
from uws.service import JobService

__all__ = ["create_links"]

_IDS_MAX = 100
"""Largest number of identifiers in one response, since each adds a descriptor of 10 KB. Beyond it
the response says OVERFLOW (DL-3)."""

_ALLOWED = ("ID", "JOB", "RESPONSEFORMAT")
_IGNORED = frozenset({"REQUEST", "VERSION", "RUNID", "MAXREC"})
"""DALI parameters that libraries send to every service; they have no effect here."""

_FORMATS = {
    "votable": DATALINK_TYPE,
    MEDIA_TYPE: DATALINK_TYPE,
    # The plus turns into a blank if it was not encoded.
    "application/x-votable xml": DATALINK_TYPE,
    "text/xml": "text/xml",
}

_Texts = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _LinkTables:
    """Writes the tables of links."""

    releases: Releases
    jobs: JobService

    def of_datasets(self, ids: Sequence[str], base: str) -> Iterator[bytes]:
        """Write the links of data sets; an unknown one gets a row with an error (DL-8)."""
        maker = LinkMaker(base, self.releases.authority, _size_of(self.releases), [])
        distinct = list(dict.fromkeys(ids))
        links: list[Link] = []
        for dataset_id in distinct[:_IDS_MAX]:
            try:
                dataset = find_dataset(dataset_id, self.releases)
                index = self.releases.index(dataset.release)
                links += maker.links(dataset_id, dataset, index)
            except (UnknownRelease, UnknownTile) as error:
                fault = f"NotFoundFault: {error}"
                links.append(Link(dataset_id, "#this", "No such data set", error_message=fault))
        is_cut = len(distinct) > _IDS_MAX
        return write_links(links, maker.services, f"{base}/links", is_cut=is_cut)

    def of_job(self, job_id: str, base: str) -> Iterator[bytes]:
        """Write the links of a finished job's results.

        Raises
        ------
        NotFoundError
            If there is no such job.
        OptionsError
            If the job is not finished, or failed.
        """
        job = self.jobs.get(caller().owner, job_id)
        if job.phase not in FINISHED or job.phase in {Phase.ERROR, Phase.ARCHIVED}:
            message = f"job {job_id} is {job.phase}; links exist only for COMPLETED jobs"
            raise OptionsError((Fault(message, column="JOB"),))
        url = f"{base}/async/{job.id}"
        cutouts = result_links(job, url)
        if job.phase is Phase.COMPLETED:
            cutouts = manifest_links(job, JobResults(self.jobs.runtime.files, job).manifest(), url)
        return write_links(chain(cutouts, document_links(job, url)), (), f"{base}/links")


def create_links(services: Services) -> Blueprint:
    """Create the blueprint."""
    blueprint = Blueprint("links", __name__)
    base_url = services.base_url
    tables = _LinkTables(services.holdings.releases, services.jobs)

    @blueprint.route("/links", methods=["GET", "POST"])
    def links() -> Response:
        """Link data sets to their files, previews and cutouts; or a job (JOB) to its results."""
        content_type = DATALINK_TYPE
        try:
            texts = request_texts(request)
            content_type = _read_format(texts)
            _refuse_unknown(texts)
            if job := texts.get("JOB"):
                content = tables.of_job(_only(job, texts), base_url())
            else:
                content = tables.of_datasets(texts.get("ID", ()), base_url())
        except NotFoundError as error:
            message = str(error).removeprefix(f"{error.label}: ")
            return fault_votable(f"NotFoundFault: {message}", HTTPStatus.NOT_FOUND, content_type)
        except (CutoutError, UWSError) as error:
            return fault_votable(*fault_of_error(error), content_type)
        return Response(content, content_type=content_type)

    return blueprint


def _read_format(texts: _Texts) -> str:
    """Return the Content-Type of the response (DL-4, DL-5)."""
    formats = texts.get("RESPONSEFORMAT", ())
    if not formats:
        return DATALINK_TYPE
    name = formats[0].partition(";")[0].strip().lower()
    if len(formats) > 1 or name not in _FORMATS:
        message = f"{' '.join(formats)[:80]!r} found; allowed: votable or {MEDIA_TYPE}"
        raise OptionsError((Fault(message, column="RESPONSEFORMAT"),))
    return _FORMATS[name]


def _refuse_unknown(texts: _Texts) -> None:
    unknown = [name for name in texts if name not in _ALLOWED and name not in _IGNORED]
    if unknown:
        message = f"unknown parameter; allowed: {', '.join(_ALLOWED)}"
        raise OptionsError(tuple(Fault(message, column=name[:80]) for name in unknown[:10]))


def _only(job: Sequence[str], texts: _Texts) -> str:
    if len(job) > 1 or "ID" in texts:
        message = "more than one value, or ID as well; allowed is one job without ID"
        raise OptionsError((Fault(message, column="JOB"),))
    return job[0]


def _size_of(releases: Releases) -> Callable[[Dataset], int | None]:
    """Return a function that gives the size of a local file.

    Remote files are not looked up, because each would cost a request.
    """

    def size(image: Dataset) -> int | None:
        release, index = image.release, releases.index(image.release)
        number = index.number(image.tile)
        if "://" in release.root or number is None:
            return None
        path = Path(locate(release, index.tile(number), image.band).path)
        try:
            return path.stat().st_size
        except FileNotFoundError as error:
            if not Path(release.root).is_dir():  # the whole release is unavailable for now
                return None
            message = f"tile {image.tile} of release {release.name} has no file in {image.band}"
            raise UnknownTile(message) from error
        except OSError:
            return None

    return size
