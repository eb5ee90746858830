"""summary.json: everything about a job, for programs and people, written as a stream.

Keys, types and spelling are those of the Dark Energy Survey's service; what goes beyond it is in
upper case per cutout (STATUS, MESSAGE, SIZE_PIX, COVERAGE) and at the end of the document.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Self

from soda_service import __version__
from soda_service.request.parsing import format_bands, format_triplets
from soda_service.request.values import CutoutOptions
from soda_service.results.columns import output_names
from soda_service.results.rows import Row, Status
from soda_service.sky.release import Release

__all__ = ["JobFacts", "SummaryWriter", "Tally", "options_columns", "size_text"]

_SPOOL_BYTES = 1 << 16
"""Unmatched positions of a small job stay in memory: three files would cost more than they do."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What the documents of a job say of the job itself."""

    job_id: str
    url: str
    """Address of the job, empty where it is not known."""

    owner: str
    job_name: str
    """Given by the user, may be empty."""

    release: Release
    options: CutoutOptions
    """The job's own, where a row says nothing."""

    extra_columns: tuple[str, ...] = ()
    """The user's own columns of the positions table, in its order."""

    warnings: tuple[str, ...] = ()
    query_time_s: float = 0.0
    """Time that matching positions to tiles took."""


@dataclass(slots=True)
class Tally:
    """Counts over all rows, kept while they stream by."""

    rows: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    files: int = 0
    size_bytes: int = 0

    def add(self, row: Row) -> None:
        """Count a row and those of its files that no row before it had."""
        assert row.outcome is not None  # noqa: S101 - only finished rows are told
        self.rows[row.outcome.status] += 1
        for entry in row.outcome.files:
            if not row.planned.is_repeated(entry):
                self.files += 1
                self.size_bytes += entry.size_bytes


def size_text(size_bytes: int) -> str:
    """Write a size as the old service did: `6.08 MB`, base 1024."""
    size, units = float(size_bytes), ["Bytes", "KB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.2f} {units[0]}"


def options_columns(options: CutoutOptions, release: Release) -> dict[str, Any]:
    """Give a row's options under their names, as the summary writes them."""
    scale = release.pixel_scale_arcsec
    content: dict[str, Any] = {"XSIZE": options.xsize_arcmin, "YSIZE": options.ysize_arcmin}
    for axis, pixels in (("X", options.xpix), ("Y", options.ypix)):
        if pixels is not None:
            content[f"{axis}PIX"] = pixels
            if scale:
                content[f"{axis}SIZE"] = pixels * scale / 60
    return content | {
        "EDGE": options.edge,
        "RGB_STIFF_COLORS": format_triplets(options.rgb_stiff_colors, release),
        "RGB_LUPTON_COLORS": format_triplets(options.rgb_lupton_colors, release),
        "RGB_MINIMUM": options.rgb_minimum,
        "RGB_STRETCH": options.rgb_stretch,
        "RGB_ASINH": options.rgb_asinh,
        "MAKE_FITS": float(options.make_fits),
        "MAKE_RGB_STIFF": float(options.make_rgb_stiff),
        "MAKE_RGB_LUPTON": float(options.make_rgb_lupton),
        "DISCARD_FITS_FILES": float(options.discard_fits_files),
        "COLORS_FITS": format_bands(options.colors_fits, release),
    }


def _cutout(row: Row, release: Release, names: Mapping[str, str]) -> dict[str, Any]:
    """Say everything of a row; `names` are those of the user's own columns."""
    p, outcome = row.planned, row.outcome
    assert outcome is not None  # noqa: S101 - only finished rows are told
    ra = p.ra_deg
    content = {
        "RA": _or_empty(ra),
        "DEC": _or_empty(p.dec_deg),
        # A string: 63-bit ids do not survive programs that read JSON numbers as doubles.
        "COADD_OBJECT_ID": None if p.object_id is None else str(p.object_id),
        # In the old service's example this is a column of the user's own; always there.
        "FITS_COLORS": "",
        **options_columns(p.options, release),
        "POSITION_TYPE": "coord" if p.object_id is None else "coadd",
        "RA_ADJUSTED": "" if ra is None else (ra - 360 if ra > 180 else ra),
        "FILES": [entry.name for entry in outcome.files],
        "FOLDER": p.folder if outcome.files else "",
        "TILEDIR": p.tile_dir,
        "TILENAME": p.tile,
        "SEXAGECIMAL": p.name if p.tile else "",
        "ALPHAWIN_J2000": _or_empty(p.centre_ra_deg) if p.tile else "",
        "DELTAWIN_J2000": _or_empty(p.centre_dec_deg) if p.tile else "",
        "ROW": p.number,
        "STATUS": outcome.status,
        "MESSAGE": outcome.message,
        "SIZE_PIX": None if outcome.size_px is None else list(outcome.size_px),
        "COVERAGE": outcome.coverage,
    }
    return content | {name: p.extra.get(column, "") for column, name in names.items()}


def _or_empty(value: float | None) -> float | str:
    return "" if value is None else value


def _job_options(facts: JobFacts) -> dict[str, Any]:
    columns = options_columns(facts.options, facts.release)
    switches = ("MAKE_FITS", "MAKE_RGB_STIFF", "MAKE_RGB_LUPTON", "DISCARD_FITS_FILES")
    return {
        "jobid": facts.job_id,
        "jobname": facts.job_name,
        "username": facts.owner or "anonymous",
        "db": facts.release.database,
        "release": facts.release.name,
        "tiledir": "auto",
        **{k.lower(): bool(v) if k in switches else v for k, v in columns.items()},
    }


class _JsonItems:
    """Items of a JSON array, kept in a file once they are many."""

    def __init__(self) -> None:
        # Closed by `copy_to` or `close`.
        self._file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115

    def add(self, value: float | str | None) -> None:
        """Put one more item at the end."""
        between = b", " if self._file.tell() else b""
        self._file.write(between + json.dumps(value).encode())

    def copy_to(self, stream: BinaryIO) -> None:
        """Write the array, and let go of its items."""
        stream.write(b"[")
        with self._file as file:
            file.seek(0)
            shutil.copyfileobj(file, stream)
        stream.write(b"]")

    def close(self) -> None:
        """Let go of the items."""
        self._file.close()


class SummaryWriter:
    """Writes summary.json row by row; unmatched positions, which come last, wait in files.

    A context manager, for the sake of these files.
    """

    def __init__(self, stream: BinaryIO, facts: JobFacts) -> None:
        self._stream = stream
        self._facts = facts
        self._names = output_names(facts.extra_columns)
        self._between = b""
        self._written = 0
        self._put(b'{\n"options": ', _job_options(facts), b',\n"cutouts": [')
        self._ra, self._dec, self._object_ids = _JsonItems(), _JsonItems(), _JsonItems()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for items in (self._ra, self._dec, self._object_ids):
            items.close()

    def _put(self, *parts: Any) -> None:
        # Any: bytes are written as they are, items copied, all else is written as JSON.
        for part in parts:
            if isinstance(part, _JsonItems):
                part.copy_to(self._stream)
            else:
                text = part if isinstance(part, bytes) else json.dumps(part).encode()
                self._written += self._stream.write(text)

    def add(self, row: Row) -> int:
        """Write one row, on a line of its own; give where it begins, bytes."""
        self._put(self._between, b"\n")
        start = self._written
        self._put(_cutout(row, self._facts.release, self._names))
        self._between = b","
        if row.outcome is not None and row.outcome.status == Status.UNMATCHED:
            planned = row.planned
            if planned.object_id is not None:
                self._object_ids.add(str(planned.object_id))
            else:
                self._ra.add(planned.ra_deg)
                self._dec.add(planned.dec_deg)
        return start

    def close(self, tally: Tally, processing_time_s: float, warnings: Iterable[str]) -> None:
        """Write what stands after the rows."""
        self._put(b'\n],\n"query_time": ', f"{self._facts.query_time_s:.2f}")
        self._put(b',\n"unmatched_positions": {"coord": {"RA": ', self._ra, b', "DEC": ', self._dec)
        self._put(b'}, "coadd": ', self._object_ids, b"},\n")
        end = {
            "processing_time": f"{processing_time_s:.2f}",
            "size_on_disk": size_text(tally.size_bytes),
            "number_of_files": tally.files,
            "status": {str(status): count for status, count in tally.rows.items()},
            "warnings": list(warnings),
            "version": __version__,
            "acknowledgement": self._facts.release.acknowledgement,
        }
        self._put(json.dumps(end, indent=1).encode()[2:], b"\n")
