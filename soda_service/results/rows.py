"""The record of a row: its plan (what is cut, from which tile, under which name) and its outcome.

A record is one line of JSON in the job's files. Planning writes it, the worker adds the outcome,
and finalizing the job reads it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, BinaryIO

from soda_service.request.values import CutoutOptions

__all__ = ["FileEntry", "Outcome", "PlannedRow", "Row", "Status", "read_lines"]


class Status(StrEnum):
    """How a row ended."""

    OK = "ok"
    PARTIAL = "partial"
    """Some of the requested files could not be made."""

    NO_COVERAGE = "no_coverage"
    """The tile has no pixel at the position."""

    UNMATCHED = "unmatched"
    """No tile at the position, or no such object."""

    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that was made for a row."""

    name: str
    path: str
    """Below the job's folder."""

    kind: str
    bands: tuple[str, ...]
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row of the request with its place on the sky, its tile and its name."""

    number: int
    object_id: int | None
    ra_deg: float | None
    """ICRS, as requested, or the catalogue's RA of an object; None for an unknown object."""

    dec_deg: float | None
    centre_ra_deg: float | None
    """Centre of the cutout; an object's ALPHAWIN_J2000."""

    centre_dec_deg: float | None
    tile: str
    """Name of the tile, empty where there is none."""

    tile_dir: str
    """The tile's logical folder; never a server's path."""

    name: str
    """Sexagecimal name."""

    options: CutoutOptions
    extra: Mapping[str, str] = field(default_factory=dict)
    suffix: int = 1
    """2 and more where another cutout has the name already."""

    repeats: tuple[str, ...] = ()
    """Endings of files that an earlier row of the job makes under the same name."""

    shape: str = ""
    """The shape on the sky that is cut out, as POS writes it; empty: a box about the centre."""

    is_masked: bool = False
    """Whether pixels outside the shape are blanked."""

    def is_repeated(self, entry: FileEntry) -> bool:
        """Return whether an earlier row of the job made this file too."""
        return entry.name.removeprefix(self.stem) in self.repeats

    @property
    def stem(self) -> str:
        """Start of the file names."""
        return self.name if self.suffix == 1 else f"{self.name}_{self.suffix}"

    @property
    def folder(self) -> str:
        """Folder of the files, below the job's."""
        position = self.name if self.object_id is None else str(self.object_id)
        if self.suffix > 1:
            position = f"{position}_{self.suffix}"
        return f"{self.tile}/{position}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a row."""

    status: Status
    message: str = ""
    files: tuple[FileEntry, ...] = ()
    size_px: tuple[int, int] | None = None
    """Width and height of the cutout, pixels."""

    coverage: float | None = None
    """Fraction of the requested area with valid pixels; the smallest of several bands."""

    time: str = ""
    """When the row was finished, ISO 8601 UTC."""


@dataclass(frozen=True, slots=True)
class Row:
    """A planned row, with its outcome once it is finished."""

    planned: PlannedRow
    outcome: Outcome | None = None

    def with_outcome(self, outcome: Outcome) -> "Row":
        """Return the same row with an outcome."""
        return replace(self, outcome=outcome)

    def to_line(self) -> bytes:
        """Write the row as one line of JSON."""
        p = self.planned
        content: dict[str, Any] = {
            "n": p.number,
            "id": p.object_id,
            "at": [p.ra_deg, p.dec_deg, p.centre_ra_deg, p.centre_dec_deg],
            "tile": [p.tile, p.tile_dir],
            "name": [p.name, p.suffix, p.repeats],
            "o": _options_to_text(p.options),
        }
        if p.extra:
            content["x"] = dict(p.extra)
        if p.shape:
            content["s"] = [p.shape, p.is_masked]
        if self.outcome is not None:
            content["r"] = asdict(self.outcome)
        return json.dumps(content, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Row":
        """Read a line written by `to_line`.

        Raises
        ------
        ValueError
            When the line is incomplete, since its writer was killed.
        """
        content = json.loads(line)
        ra, dec, centre_ra, centre_dec = content["at"]
        tile, tile_dir = content["tile"]
        name, suffix, repeats = content["name"]
        planned = PlannedRow(
            content["n"],
            content["id"],
            ra,
            dec,
            centre_ra,
            centre_dec,
            tile,
            tile_dir,
            name,
            _options_from_text(content["o"]),
            content.get("x", {}),
            suffix,
            tuple(repeats),
            *content.get("s", ()),
        )
        done = content.get("r")
        return cls(planned, None if done is None else _outcome_from(done))


def read_lines(stream: BinaryIO) -> Iterator[tuple[Row, bytes]]:
    """Yield the rows of a journal; skip marks, and lines that a killed worker left incomplete."""
    for line in stream:
        if line.endswith(b"\n"):
            try:
                yield Row.from_line(line), line
            except (ValueError, KeyError, TypeError):
                continue


def _outcome_from(done: dict[str, Any]) -> Outcome:
    files = tuple(FileEntry(**{**f, "bands": tuple(f["bands"])}) for f in done.pop("files"))
    size = done.pop("size_px")
    status = Status(done.pop("status"))
    return Outcome(status, files=files, size_px=None if size is None else tuple(size), **done)


# Rows of a job repeat few different options: caching them halves the cost of a line.
@lru_cache(maxsize=4096)
def _options_to_text(options: CutoutOptions) -> str:
    return json.dumps(astuple(options), separators=(",", ":"))


@lru_cache(maxsize=4096)
def _options_from_text(text: str) -> CutoutOptions:
    return CutoutOptions(*_current_form([_as_tuple(value) for value in json.loads(text)]))


# Options that had a field of their own, in this order, before `CutoutOptions.values` existed.
_FORMER_FIELDS = (
    *("MAKE_RGB_STIFF", "RGB_STIFF_COLORS", "MAKE_RGB_LUPTON", "RGB_LUPTON_COLORS"),
    *("RGB_MINIMUM", "RGB_STRETCH", "RGB_ASINH"),
)


def _current_form(fields: list[Any]) -> list[Any]:
    """Convert options of the former form, so that jobs planned before an upgrade finish.

    Both forms begin with the same eight fields. The ninth is MAKE_RGB_STIFF, a boolean, in the
    former form, and `values` in the current one.
    """
    # Any: JSON with tuples for arrays.
    if len(fields) <= 8 or not isinstance(fields[8], bool):
        return fields
    end = 8 + len(_FORMER_FIELDS)
    return [*fields[:8], tuple(zip(_FORMER_FIELDS, fields[8:end], strict=True)), *fields[end:]]


def _as_tuple(value: Any) -> Any:
    # Any: JSON; lists of bands and of triplets become tuples, all else stays.
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value
