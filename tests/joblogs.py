"""Logs of job files for tests: lines added and read."""

from uws.files import JobFiles

__all__ = ["add_lines", "lines_of"]


def add_lines(files: JobFiles, key: str, *lines: bytes) -> None:
    """Add lines to a log as one worker does, the last of them torn where it has no end."""
    with files.log(key) as log:
        for line in lines:
            log.add(line)


def lines_of(files: JobFiles, key: str) -> list[bytes]:
    """Read a log."""
    lines: list[bytes] = []
    for segment in files.keys(key):
        with files.open(segment) as stream:
            lines += stream
    return lines
