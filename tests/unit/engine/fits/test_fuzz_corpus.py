"""The seeds of the decoder's fuzzer, and what it found, once through the Python module."""

import struct
from pathlib import Path

import numpy as np
import pytest

from soda_service.engine import compiled
from soda_service.engine.fits.decoding import DamagedRow, RowScheme, RowStreams, decode_rows

CORPUS = sorted((Path(__file__).parents[3] / "fuzz" / "corpus").iterdir())
HEAD = struct.Struct(">BBBBBBIHHHHHHxx")
BITPIX = [8, 16, 32, -32, -64]
DTYPES = {8: "u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}


def test_there_are_seeds() -> None:
    assert len(CORPUS) >= 20
    assert sum(path.stat().st_size for path in CORPUS) < 100_000


@pytest.mark.skipif(compiled.native is None, reason="the compiled loops were not built")
@pytest.mark.parametrize("seed", CORPUS, ids=lambda path: path.name)
@pytest.mark.parametrize("cut", [0, 1, 17], ids=lambda cut: f"less-{cut}")
def test_a_seed_decodes_or_is_damaged(seed: Path, cut: int) -> None:
    content = seed.read_bytes()
    codec, pix, block, kind, dither, has_blank, blank, width, *_ = HEAD.unpack_from(content)
    bitpix = BITPIX[kind % 5]
    scheme = RowScheme(
        algorithm="PLIO_1" if codec & 1 else "RICE_1",
        width=width + 1,
        bitpix=bitpix,
        byte_pix=(1, 2, 4, 4)[pix & 3],
        block_px=1 + (block & 63),
        dither=dither % 3,
        has_scale=bitpix < 0,
        blank=blank - (blank >> 31 << 32) if has_blank & 1 else None,
    )
    stream = content[HEAD.size : len(content) - cut]
    one = np.ones(1) if bitpix < 0 else None
    streams = RowStreams(stream, np.zeros(1, np.int64), np.array([len(stream)]), 0, one, one)
    out = np.zeros((1, width + 1), DTYPES[bitpix])
    try:
        decode_rows(scheme, streams, 0, width + 1, out)
    except DamagedRow:
        assert cut or seed.name.startswith("found")
