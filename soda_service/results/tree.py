"""Where the files of a job lie: keys in `JobFiles`, and what a client may fetch of them."""

from pathlib import PurePosixPath

from soda_service.formats import format_of

__all__ = [
    "MANIFEST_CSV",
    "MANIFEST_VOT",
    "SUMMARY",
    "is_public",
    "is_result",
    "lines_key",
    "lines_prefix",
    "log_name",
    "media_type_of",
    "no_overlap_name",
    "plan_key",
    "plan_prefix",
    "plan_summary_key",
    "positions_name",
    "row_index_key",
    "thumbnail_path",
]

SUMMARY = "summary.json"
MANIFEST_VOT = "manifest.vot"
MANIFEST_CSV = "manifest.csv"

_WORK = ".work"
_THUMBNAILS = "thumbnails"
_DOCUMENT_TYPES = {
    ".json": "application/json",
    ".vot": "application/x-votable+xml",
    ".csv": "text/csv; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}


def plan_key(job_id: str, chunk: int) -> str:
    """Key of a chunk's planned rows."""
    return f"{plan_prefix(job_id)}/{chunk:06d}.jsonl"


def plan_prefix(job_id: str) -> str:
    """Folder of all planned rows."""
    return f"{job_id}/{_WORK}/plan"


def plan_summary_key(job_id: str) -> str:
    """Key of what the plan says of the whole job."""
    return f"{job_id}/{_WORK}/plan.json"


def lines_key(job_id: str, chunk: int | None) -> str:
    """Log of a chunk's finished rows; None: the file of those that planning alone finished."""
    name = "plan.jsonl" if chunk is None else f"{chunk:06d}"
    return f"{lines_prefix(job_id)}/{name}"


def lines_prefix(job_id: str) -> str:
    """Folder of all finished rows."""
    return f"{job_id}/{_WORK}/lines"


def no_overlap_name(number: int | None) -> str:
    """Name of the text that says why nothing was cut, with the row's number if not alone."""
    return "no-overlap.txt" if number is None else f"no-overlap-{number:04d}.txt"


def row_index_key(job_id: str) -> str:
    """Key of where each row stands in the summary; hidden from clients."""
    return f"{job_id}/.rows"


def positions_name(job_id: str) -> str:
    """Name of the processed positions table."""
    return f"positions_{job_id}.csv"


def log_name(job_id: str) -> str:
    """Name of the log."""
    return f"cutout_{job_id}.log"


def is_public(path: str) -> bool:
    """Whether a path below the job's folder is for clients: no hidden part, no way out."""
    parts = PurePosixPath(path).parts
    return bool(parts) and path[0] != "/" and all(part[0] != "." for part in parts)


def thumbnail_path(name: str) -> str:
    """Path below the job's folder of the small picture that stands for a file in a gallery.

    File names are unique in a job.
    """
    return f"{_THUMBNAILS}/{name}.jpg"


def is_result(path: str) -> bool:
    """Whether a public path is one of the job's results: thumbnails are not."""
    parts = PurePosixPath(path).parts
    return not (len(parts) == 2 and parts[0] == _THUMBNAILS)


def media_type_of(name: str) -> str:
    """Media type by the end of the name."""
    row = format_of(name)
    if row is not None:
        return row.media_type
    return _DOCUMENT_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
