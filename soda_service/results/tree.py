"""Where the files of a job lie: keys in `JobFiles`, and what a client may fetch of them."""

from pathlib import PurePosixPath

__all__ = [
    "MANIFEST_CSV",
    "MANIFEST_VOT",
    "NO_OVERLAP",
    "SUMMARY",
    "is_public",
    "lines_key",
    "lines_prefix",
    "log_name",
    "media_type_of",
    "plan_key",
    "plan_prefix",
    "plan_summary_key",
    "positions_name",
]

SUMMARY = "summary.json"
MANIFEST_VOT = "manifest.vot"
MANIFEST_CSV = "manifest.csv"
NO_OVERLAP = "no-overlap.txt"

_WORK = ".work"
_MEDIA_TYPES = {
    ".fits": "application/fits",
    ".png": "image/png",
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
    """Key of a chunk's finished rows; None for those that planning alone finished."""
    name = "plan" if chunk is None else f"{chunk:06d}"
    return f"{lines_prefix(job_id)}/{name}.jsonl"


def lines_prefix(job_id: str) -> str:
    """Folder of all finished rows."""
    return f"{job_id}/{_WORK}/lines"


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


def media_type_of(name: str) -> str:
    """Media type by the end of the name."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
