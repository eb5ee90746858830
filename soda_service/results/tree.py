"""The layout of a job's files: keys in `JobFiles`, and which of them clients may fetch."""

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
    """Return the key of a chunk's planned rows."""
    return f"{plan_prefix(job_id)}/{chunk:06d}.jsonl"


def plan_prefix(job_id: str) -> str:
    """Return the folder of all planned rows."""
    return f"{job_id}/{_WORK}/plan"


def plan_summary_key(job_id: str) -> str:
    """Return the key of the plan of the job as a whole (`JobPlan`)."""
    return f"{job_id}/{_WORK}/plan.json"


def lines_key(job_id: str, chunk: int | None) -> str:
    """Return the log of a chunk's finished rows; for None the file of rows finished by planning."""
    name = "plan.jsonl" if chunk is None else f"{chunk:06d}"
    return f"{lines_prefix(job_id)}/{name}"


def lines_prefix(job_id: str) -> str:
    """Return the folder of all finished rows."""
    return f"{job_id}/{_WORK}/lines"


def no_overlap_name(number: int | None) -> str:
    """Return the name of the text that says why nothing was cut.

    Parameters
    ----------
    number
        Of the row; None if it is the only one.
    """
    return "no-overlap.txt" if number is None else f"no-overlap-{number:04d}.txt"


def row_index_key(job_id: str) -> str:
    """Return the key of the index of the summary's rows, which is hidden from clients."""
    return f"{job_id}/.rows"


def positions_name(job_id: str) -> str:
    """Return the name of the processed positions table."""
    return f"positions_{job_id}.csv"


def log_name(job_id: str) -> str:
    """Return the name of the log."""
    return f"cutout_{job_id}.log"


def is_public(path: str) -> bool:
    """Return whether clients may fetch a path below the job's folder: no part is hidden or `..`."""
    parts = PurePosixPath(path).parts
    return bool(parts) and path[0] != "/" and all(part[0] != "." for part in parts)


def thumbnail_path(name: str) -> str:
    """Return the path, below the job's folder, of a file's thumbnail in the gallery.

    File names are unique in a job.
    """
    return f"{_THUMBNAILS}/{name}.jpg"


def is_result(path: str) -> bool:
    """Return whether a public path is one of the job's results; thumbnails are not."""
    parts = PurePosixPath(path).parts
    return not (len(parts) == 2 and parts[0] == _THUMBNAILS)


def media_type_of(name: str) -> str:
    """Return the media type of a file by its suffix."""
    row = format_of(name)
    if row is not None:
        return row.media_type
    return _DOCUMENT_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
