"""Writes the seeds of the decoder's fuzzer: rows that astropy compressed, one in each way.

`python -m tests.fuzz.make_corpus`; the layout of a seed is that of fuzz_decode.c.
"""

import struct
from pathlib import Path

import numpy as np

from tests.unit.engine.fits.test_decoding import HEIGHT, Packed, packed, sky

FOLDER = Path(__file__).parent / "corpus"
_KINDS = {8: 0, 16: 1, 32: 2, -32: 3, -64: 4}
_BYTEPIX = {1: 0, 2: 1, 4: 2}


def main() -> None:
    """Write all seeds."""
    mask = np.arange(HEIGHT * 600).reshape(HEIGHT, 600) // 90
    images = {
        "float": packed(sky(600), quantize_level=16),
        "double": packed(sky(600, "f8"), quantize_level=2, quantize_method=2),
        "plain": packed(sky(600), quantize_level=16, quantize_method=-1),
        "byte": packed(sky(500).clip(0, 255).astype("u1")),
        "short": packed(sky(500).clip(-30_000, 30_000).astype("i2")),
        "long": packed(sky(500).astype("i4")),
        "mask": packed(mask.astype("i4"), "PLIO_1"),
    }
    for name, made in images.items():
        for row in (0, 3, 5):
            (FOLDER / f"{name}{row}").write_bytes(_seed(made, row))


def _seed(made: Packed, row: int) -> bytes:
    scheme, streams = made.scheme, made.streams
    head = struct.pack(
        ">BBBBBBIHHHHHHxx",
        scheme.algorithm == "PLIO_1",
        _BYTEPIX[scheme.byte_pix],
        scheme.block_px - 1,
        _KINDS[scheme.bitpix],
        scheme.dither,
        scheme.blank is not None,
        (scheme.blank or 0) & 0xFFFFFFFF,
        scheme.width - 1,
        7,
        scheme.width,
        scheme.seed,
        0,
        0,
    )
    start = int(streams.starts[row])
    return head + bytes(streams.heap)[start : start + int(streams.lengths[row])]


if __name__ == "__main__":
    main()
