"""Tables of positions that are garbage, or long: refused or read in little memory."""

import io
import random
import tracemalloc
from collections.abc import Iterator

import pytest
from typing_extensions import override

from soda_service.errors import OptionsError
from soda_service.request.options import default_options
from soda_service.request.positions import open_positions
from soda_service.sky.release import Release
from tests.unit.request.test_positions import check_stream

GARBAGE = random.Random(7).randbytes(10_000_000)


@pytest.mark.parametrize(
    "content",
    [GARBAGE, bytes(10_000_000), b"x" * 10_000_000, b"," * 10_000_000],
    ids=["random", "NUL", "one line", "commas"],
)
def test_garbage_is_refused_in_little_memory(content: bytes, des: Release) -> None:
    stream = io.BytesIO(content)
    tracemalloc.start()
    with pytest.raises(OptionsError):
        open_positions(stream, des, default_options(des))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_garbage_below_a_header_is_read_in_little_memory(des: Release) -> None:
    stream = io.BytesIO(b"RA,DEC,XSIZE\n" + GARBAGE[:1_000_000] + b"\n1,2,3" + b"x" * 5_000_000)
    tracemalloc.start()
    found = check_stream(stream, des)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.total_faults >= found.rows > 1000
    assert peak < 5_000_000


def test_memory_does_not_grow_with_long_or_ever_new_option_cells(des: Release) -> None:
    def lines() -> Iterator[bytes]:
        yield b"RA,DEC,XSIZE,COLORS_FITS\n"
        for number in range(300):
            yield b"1,2,1.%d,g%s\n" % (number, b" " * 100_000)

    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self._lines = lines()

        @override
        def read(self, size: int = -1, /) -> bytes:
            del size
            return next(self._lines, b"")

    tracemalloc.start()
    found = check_stream(Stream(), des)  # type: ignore[arg-type]  # reads
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.rows, found.total_faults) == (300, 0)
    assert peak < 5_000_000


# Good input.
