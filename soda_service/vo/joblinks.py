"""The results of a job as links, for clients that show tables."""

from collections.abc import Container, Iterable, Iterator, Mapping
from urllib.parse import quote

from soda_service.formats import picture_formats
from soda_service.vo.datalink import Link
from uws.models import Job, Result

__all__ = ["document_links", "manifest_links", "result_links"]

_DOCUMENTS = {
    "summary.json": ("#auxiliary", "The outcome of every position, for programs"),
    "manifest": ("#auxiliary", "All files, and positions without a file, as VOTable"),
    "positions": ("#progenitor", "The positions with every option filled in"),
    "log": ("#auxiliary", "What happened"),
    "archive": ("#auxiliary", "All files in one archive"),
}
"""Results that are not cutouts: semantics and description by id. Newer terms of the vocabulary,
such as `#package`, are errors for STILTS 3.4."""


def manifest_links(job: Job, records: Iterable[Mapping[str, str]], job_url: str) -> Iterator[Link]:
    """Return a link for each file, and an error for each position without one.

    Parameters
    ----------
    records
        Records of the manifest, by column. Their addresses are of the day when it was written.
    job_url
        Address of the job now.
    """
    previews = _preview_types()
    for record in records:
        where = f"{record['ra']} {record['dec']}" if record["ra"] else record["object_id"]
        place = f"row {record['row']} ({where}), tile {record['tile'] or 'none'}"
        if not record["file"]:
            reason = record["message"] or record["status"]
            yield Link(job.id, "#this", place, error_message=f"NotFoundFault: {reason}")
            continue
        kind = record["content_type"]
        yield Link(
            job.id,
            _semantics(kind, previews),
            f"{record['file'].rpartition('/')[2]}, {place}, band {record['band']}",
            access_url=f"{job_url}/results/{quote(record['file'])}",
            content_type=kind,
            content_length=int(record["size"]),
            local_semantics=record["band"],
        )


def result_links(job: Job, job_url: str) -> Iterator[Link]:
    """Return links of the cutouts that a job lists; for an aborted job, those made until then."""
    previews = _preview_types()
    for result in job.results:
        if result.id not in _DOCUMENTS and result.key:
            semantics = _semantics(result.media_type, previews)
            yield _link(job, result, job_url, semantics, result.id)


def document_links(job: Job, job_url: str) -> Iterator[Link]:
    """Return links of the documents about a job's results."""
    for result in job.results:
        if found := _DOCUMENTS.get(result.id):
            yield _link(job, result, job_url, *found)


def _link(job: Job, result: Result, job_url: str, semantics: str, description: str) -> Link:
    return Link(
        job.id,
        semantics,
        description,
        access_url=f"{job_url}/results/{quote(result.id)}",
        content_type=result.media_type,
        content_length=result.size_bytes,
    )


def _preview_types() -> frozenset[str]:
    """Return the media types of previews; other files are `#this`."""
    return frozenset(row.media_type for row in picture_formats())


def _semantics(media_type: str, previews: Container[str]) -> str:
    return "#preview-image" if media_type in previews else "#this"
