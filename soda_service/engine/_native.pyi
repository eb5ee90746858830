# What native/module.c offers; engine.decoding and engine.sums are its doors.

from typing_extensions import Buffer

def decode(
    codec: int,
    bytepix: int,
    block: int,
    width: int,
    x0: int,
    x1: int,
    heap: Buffer,
    starts: Buffer,
    lengths: Buffer,
    marks: Buffer | None,
    marks_x: int,
    kind: str,
    dither: int,
    blank: int | None,
    scales: Buffer | None,
    zeros: Buffer | None,
    blanks: Buffer | None,
    seed: int,
    out: Buffer,
    /,
) -> int: ...
def marks(
    bytepix: int,
    block: int,
    width: int,
    step: int,
    heap: Buffer,
    starts: Buffer,
    lengths: Buffer,
    out: Buffer,
    /,
) -> int: ...
def sum_words(buffer: Buffer, /) -> int: ...
def count_positive(buffer: Buffer, size: int, /) -> int: ...
