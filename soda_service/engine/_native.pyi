# What native/module.c and native/pictures.c offer; engine.decoding, engine.sums, and engine.lupton,
# engine.stiff and engine.levels are its doors.

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
def paint_stiff(
    red: Buffer,
    green: Buffer,
    blue: Buffer,
    blacks: Buffer,
    gains: Buffer,
    share: float,
    entries: Buffer,
    first: int,
    shift: int,
    out: Buffer,
    /,
) -> None: ...
def paint_grey(
    band: Buffer,
    black: float,
    gain: float,
    entries: Buffer,
    first: int,
    shift: int,
    out: Buffer,
    /,
) -> None: ...
def paint_lupton(
    red: Buffer,
    green: Buffer,
    blue: Buffer,
    black: float,
    soften: float,
    slope: float,
    out: Buffer,
    /,
) -> None: ...
def left_out(values: Buffer, median: float, enough: float, /) -> float: ...
