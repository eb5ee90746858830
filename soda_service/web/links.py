"""`/links`: what there is about a data set, or came out of a job, by DataLink 1.1."""

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
from soda_service.web.votables import fault_of_error, fault_votable, given_texts
from uws.errors import NotFoundError, UWSError
from uws.models import FINISHED, Phase
from uws.service import JobService

__all__ = ["create_links"]

_IDS_MAX = 100
"""Identifiers answered at once: a descriptor each makes 10 KB; beyond it OVERFLOW (DL-3)."""

_TAKEN = ("ID", "JOB", "RESPONSEFORMAT")
_IDLE = frozenset({"REQUEST", "VERSION", "RUNID", "MAXREC"})
"""DALI's own, which libraries send to every service; nothing here depends on them."""

_FORMATS = {
    "votable": DATALINK_TYPE,
    MEDIA_TYPE: DATALINK_TYPE,
    # Sent without encoding the plus.
    "application/x-votable xml": DATALINK_TYPE,
    "text/xml": "text/xml",
}

_Given = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Answers:
    """Answers of one application."""

    releases: Releases
    jobs: JobService

    def of_datasets(self, ids: Sequence[str], base: str) -> Iterator[bytes]:
        """Write the links of data sets; one that is unknown has a row that says so (DL-8)."""
        maker = LinkMaker(base, self.releases.authority, _size_of(self.releases), [])
        distinct = list(dict.fromkeys(ids))
        links: list[Link] = []
        for given in distinct[:_IDS_MAX]:
            try:
                dataset = find_dataset(given, self.releases)
                index = self.releases.index(dataset.release)
                links += maker.links(given, dataset, index)
            except (UnknownRelease, UnknownTile) as error:
                fault = f"NotFoundFault: {error}"
                links.append(Link(given, "#this", "No such data set", error_message=fault))
        is_cut = len(distinct) > _IDS_MAX
        return write_links(links, maker.services, f"{base}/links", is_cut=is_cut)

    def of_job(self, job_id: str, base: str) -> Iterator[bytes]:
        """Write the links of a finished job's results.

        Raises
        ------
        NotFoundError
            When there is no such job.
        OptionsError
            When it is not finished, or in ERROR.
        """
        job = self.jobs.get(caller().owner, job_id)
        if job.phase not in FINISHED or job.phase in {Phase.ERROR, Phase.ARCHIVED}:
            message = f"job {job_id} is {job.phase}; there are links once it is COMPLETED"
            raise OptionsError((Fault(message, column="JOB"),))
        url = f"{base}/async/{job.id}"
        cutouts = result_links(job, url)
        if job.phase is Phase.COMPLETED:
            cutouts = manifest_links(job, JobResults(self.jobs.runtime.files, job).manifest())
        return write_links(chain(cutouts, document_links(job, url)), (), f"{base}/links")


def create_links(services: Services) -> Blueprint:
    """Make the route."""
    blueprint = Blueprint("links", __name__)
    base_url = services.base_url
    answers = _Answers(services.holdings.releases, services.jobs)

    @blueprint.route("/links", methods=["GET", "POST"])
    def links() -> Response:
        """Link data sets to their files, previews and cutouts; or a job (JOB) to its results."""
        content_type = DATALINK_TYPE
        try:
            given = given_texts(request)
            content_type = _read_format(given)
            _refuse_unknown(given)
            if job := given.get("JOB"):
                content = answers.of_job(_only(job, given), base_url())
            else:
                content = answers.of_datasets(given.get("ID", ()), base_url())
        except NotFoundError as error:
            told = str(error).removeprefix(f"{error.label}: ")
            return fault_votable(f"NotFoundFault: {told}", HTTPStatus.NOT_FOUND, content_type)
        except (CutoutError, UWSError) as error:
            return fault_votable(*fault_of_error(error), content_type)
        return Response(content, content_type=content_type)

    return blueprint


def _read_format(given: _Given) -> str:
    """Give the Content-Type of the answer (DL-4, DL-5)."""
    texts = given.get("RESPONSEFORMAT", ())
    if not texts:
        return DATALINK_TYPE
    name = texts[0].partition(";")[0].strip().lower()
    if len(texts) > 1 or name not in _FORMATS:
        message = f"{' '.join(texts)[:80]!r} found; allowed is one of votable, {MEDIA_TYPE}"
        raise OptionsError((Fault(message, column="RESPONSEFORMAT"),))
    return _FORMATS[name]


def _refuse_unknown(given: _Given) -> None:
    unknown = [name for name in given if name not in _TAKEN and name not in _IDLE]
    if unknown:
        told = f"unknown parameter; allowed: {', '.join(_TAKEN)}"
        raise OptionsError(tuple(Fault(told, column=name[:80]) for name in unknown[:10]))


def _only(job: Sequence[str], given: _Given) -> str:
    if len(job) > 1 or "ID" in given:
        message = "one job at a time, and without ID"
        raise OptionsError((Fault(message, column="JOB"),))
    return job[0]


def _size_of(releases: Releases) -> Callable[[Dataset], int | None]:
    """Look at files on disk; to look behind a server would cost a request each."""

    def size(image: Dataset) -> int | None:
        release, index = image.release, releases.index(image.release)
        number = index.number(image.tile)
        if "://" in release.root or number is None:
            return None
        path = Path(locate(release, index.tile(number), image.band).path)
        try:
            return path.stat().st_size
        except FileNotFoundError as error:
            if not Path(release.root).is_dir():  # away for the moment, all of it
                return None
            message = f"tile {image.tile} of release {release.name} has no file in {image.band}"
            raise UnknownTile(message) from error
        except OSError:
            return None

    return size
