"""Pixels bit for bit those of astropy, of every kind of image that it or fpack can write."""

import bz2
import gzip
import io
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import PixelBox
from soda_service.pixels.fitsfile import ImageHDU, open_fits
from tests.unit.skyimages import REALSKY, tan_header

SHAPE = (37, 101)
INTEGERS = ("u1", "i2", "i4")
FLOATS = ("f4", "f8")
ROWS, SIDE_BY_SIDE = (1, 101), (1, 40)
BLOCKS, BANDS, WHOLE = (16, 48), (7, 101), SHAPE


def sky(dtype: str, shape: tuple[int, ...] = SHAPE) -> NDArray[np.generic]:
    """Noise and stars; of floats also NaN, zeros, infinities and rows that none can quantise."""
    rng = np.random.default_rng(5)
    values = rng.normal(20.0, 5.0, shape) + 2000.0 * (rng.random(shape) > 0.98)
    if dtype == "u1":
        return values.clip(0, 255).astype(dtype)
    if np.dtype(dtype).kind in "iu":
        return values.clip(0, 32767).astype(dtype)
    values[..., 3, 5] = values[..., 7, :] = np.nan
    values[..., 9, :] = 4.25
    values[..., 11, ::2] = 0.0
    return values.astype(dtype)


def boxes(shape: tuple[int, ...]) -> Iterator[PixelBox]:
    """Give the whole image, its corners, and others at random."""
    ny, nx = shape[-2:]
    yield PixelBox(0, ny, 0, nx)
    yield PixelBox(0, 1, 0, 1)
    yield PixelBox(ny - 1, ny, nx - 1, nx)
    rng = np.random.default_rng(7)
    for _ in range(12):
        y0, x0 = int(rng.integers(ny)), int(rng.integers(nx))
        yield PixelBox(y0, int(rng.integers(y0 + 1, ny + 1)), x0, int(rng.integers(x0 + 1, nx + 1)))


def assert_same_as_astropy(path: Path) -> None:
    """Compare all images of a file: each whole, and in boxes, into arrays with gaps too."""
    raw = fits.open(path, do_not_scale_image_data=True)
    with closing(open_fits(str(path))) as file, raw as expected:
        images = [n for n, hdu in enumerate(expected) if hdu.is_image and len(hdu.shape) > 1]
        assert [hdu.number for hdu in file.images] == images
        for found in file.images:
            assert_same_pixels(found, expected[found.number].data)


def header_of(path: Path) -> TextHeader:
    with closing(open_fits(str(path))) as file:
        return file.images[0].header


def assert_same_pixels(found: ImageHDU, wanted: NDArray[np.generic]) -> None:
    wanted = wanted.astype(wanted.dtype.newbyteorder(">"))
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    for box in boxes(wanted.shape):
        part = wanted[..., box.y0 : box.y1, box.x0 : box.x1]
        assert found.read(box).tobytes() == part.tobytes(), box
        room = np.full((*part.shape[:-1], part.shape[-1] + 3), 77, part.dtype)
        found.read_into(box, room[..., 1:-2])
        assert room[..., 1:-2].tobytes() == part.tobytes(), box
        assert (room[..., 0] == 77).all()
        assert (room[..., -2:] == 77).all()


def written(path: Path, *hdus: Any) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


# Every kind that astropy writes

LOSSLESS = [
    *(("RICE_1", dtype, tiling) for dtype in INTEGERS for tiling in (ROWS, SIDE_BY_SIDE, BANDS)),
    *(("RICE_1", "i4", tiling) for tiling in (BLOCKS, WHOLE)),
    *(("PLIO_1", dtype, tiling) for dtype in INTEGERS for tiling in (ROWS, BLOCKS)),
    *(("GZIP_1", dtype, tiling) for dtype in (*INTEGERS, "i8") for tiling in (ROWS, BLOCKS)),
    *(("GZIP_2", dtype, tiling) for dtype in (*INTEGERS, "i8") for tiling in (ROWS, BLOCKS)),
    *(("NOCOMPRESS", dtype, tiling) for dtype in INTEGERS for tiling in (ROWS, BLOCKS)),
    *(("HCOMPRESS_1", dtype, tiling) for dtype in ("i2", "i4") for tiling in (BLOCKS, WHOLE)),
]


@pytest.mark.parametrize(("kind", "dtype", "tiling"), LOSSLESS, ids=str)
def test_integers(tmp_path: Path, kind: str, dtype: str, tiling: tuple[int, int]) -> None:
    hdu = fits.CompImageHDU(sky(dtype), compression_type=kind, tile_shape=tiling)
    assert_same_as_astropy(written(tmp_path / "a.fits.fz", hdu))


QUANTISED = [
    *(("RICE_1", dtype, ROWS) for dtype in FLOATS),
    *(("RICE_1", "f4", tiling) for tiling in (SIDE_BY_SIDE, BLOCKS, WHOLE)),
    *((kind, dtype, ROWS) for kind in ("GZIP_1", "GZIP_2") for dtype in FLOATS),
    ("HCOMPRESS_1", "f4", BLOCKS),
]


@pytest.mark.parametrize("method", [-1, 1, 2], ids=["no-dither", "dither-1", "dither-2"])
@pytest.mark.parametrize(("kind", "dtype", "tiling"), QUANTISED, ids=str)
def test_quantised_floats(
    tmp_path: Path, kind: str, dtype: str, tiling: tuple[int, int], method: int
) -> None:
    hdu = fits.CompImageHDU(
        sky(dtype),
        compression_type=kind,
        tile_shape=tiling,
        quantize_method=method,
        quantize_level=16,
        dither_seed=9999,
    )
    assert_same_as_astropy(written(tmp_path / "a.fits.fz", hdu))


@pytest.mark.parametrize("kind", ["GZIP_1", "GZIP_2"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_that_are_not_quantised(tmp_path: Path, kind: str, dtype: str) -> None:
    hdu = fits.CompImageHDU(sky(dtype), compression_type=kind, quantize_level=0, tile_shape=ROWS)
    assert_same_as_astropy(written(tmp_path / "a.fits.fz", hdu))


@pytest.mark.parametrize("shape", [(3, 20, 60), (2, 3, 20, 60)], ids=["cube", "hypercube"])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_compressed_cubes(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    rows = (*(1,) * (len(shape) - 1), 60)
    options = {"quantize_method": 2, "dither_seed": 3, "tile_shape": rows}
    hdu = fits.CompImageHDU(sky(dtype, shape), compression_type="RICE_1", **options)
    assert_same_as_astropy(written(tmp_path / "a.fits.fz", hdu))


@pytest.mark.parametrize("seed", [1, 10_000])
def test_rows_longer_than_the_table_of_random_numbers(tmp_path: Path, seed: int) -> None:
    data = sky("f4", (20, 10_403))
    hdu = fits.CompImageHDU(data, quantize_method=1, dither_seed=seed, tile_shape=(1, 10_403))
    assert_same_as_astropy(written(tmp_path / "a.fits.fz", hdu))


@pytest.mark.parametrize("dtype", ["i1", "u2", "u4"])
@pytest.mark.parametrize("kind", [fits.ImageHDU, fits.CompImageHDU], ids=["plain", "compressed"])
def test_unsigned_integers_stay_raw(tmp_path: Path, dtype: str, kind: Any) -> None:
    path = written(tmp_path / "a.fits", kind(sky("u1").astype(dtype)))
    assert_same_as_astropy(path)
    assert header_of(path)["BZERO"] == {"i1": -128, "u2": 2**15, "u4": 2**31}[dtype]


@pytest.mark.parametrize("kind", [fits.ImageHDU, fits.CompImageHDU], ids=["plain", "compressed"])
def test_scaled_integers_with_blanks_stay_raw(tmp_path: Path, kind: Any) -> None:
    data = sky("i2")
    data[4:6, 3:50] = -32768
    hdu = kind(data, tan_header(BITPIX=16))
    path = written(tmp_path / "a.fits", hdu)
    content = path.read_bytes()
    cards = [("BSCALE", 0.25), ("BZERO", 100.0), ("BLANK", -32768)]
    added = "".join(str(fits.Card(*card)) for card in cards).encode()
    place = content.index(b"CTYPE1  ")
    # In the place of three cards that this test needs not.
    path.write_bytes(content[:place] + added + content[place + len(added) :])
    assert_same_as_astropy(path)
    header = header_of(path)
    assert [header[name] for name, _ in cards] == [0.25, 100.0, -32768]


# Pixels that are not compressed


@pytest.mark.parametrize("dtype", [*INTEGERS, "i8", *FLOATS])
@pytest.mark.parametrize("shape", [SHAPE, (3, 20, 60)], ids=["image", "cube"])
def test_plain_images(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(sky(dtype, shape)).writeto(path)
    assert_same_as_astropy(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_packed_files(tmp_path: Path, pack: Any) -> None:
    path = written(tmp_path / "a.fits", fits.ImageHDU(sky("f4")), fits.CompImageHDU(sky("i2")))
    packed = tmp_path / "b.fits"
    packed.write_bytes(pack(path.read_bytes()))
    box = PixelBox(3, 30, 2, 90)
    with closing(open_fits(str(path))) as plain, closing(open_fits(str(packed))) as unpacked:
        for one, other in zip(plain.images, unpacked.images, strict=True):
            assert other.read(box).tobytes() == one.read(box).tobytes()


def test_images_among_other_hdus(tmp_path: Path) -> None:
    groups = np.zeros(3, [("x", "f4"), ("name", "S7")])
    hdus = [
        fits.ImageHDU(sky("f4"), name="ONE"),
        fits.BinTableHDU(groups),
        fits.TableHDU.from_columns([fits.Column("a", "I5", array=[1, 2])]),
        fits.ImageHDU(np.arange(5)),
        fits.ImageHDU(),
        fits.CompImageHDU(sky("i4"), name="TWO"),
    ]
    path = written(tmp_path / "a.fits", *hdus)
    assert_same_by_number(path, [(1, "ONE"), (6, "TWO")])


def test_random_groups_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    groups = fits.GroupData(sky("f4", (4, 12, 13)), bitpix=-32, parnames=["U"], pardata=[[1.0] * 4])
    hdus = [fits.GroupsHDU(groups), fits.ImageHDU(sky("f4"))]
    fits.HDUList(hdus).writeto(path)
    assert_same_by_number(path, [(1, "")])


def assert_same_by_number(path: Path, images: list[tuple[int, str]]) -> None:
    with closing(open_fits(str(path))) as file, fits.open(path) as expected:
        assert [(hdu.number, hdu.name) for hdu in file.images] == images
        for found in file.images:
            assert_same_pixels(found, expected[found.number].data)


# Files of others


@pytest.mark.skipif(shutil.which("fpack") is None, reason="fpack of libcfitsio-bin is not here")
@pytest.mark.parametrize("dtype", ["i2", "i4", "f4"])
@pytest.mark.parametrize(
    "options",
    [
        ["-r", "-q", "16"],
        ["-r", "-qz", "4"],
        ["-r", "-q0", "4"],
        ["-r", "-t", "50,10"],
        ["-g"],
        ["-g2"],
        ["-h"],
        ["-w", "-r"],
    ],
    ids=" ".join,
)
def test_files_of_fpack(tmp_path: Path, options: list[str], dtype: str) -> None:
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(sky(dtype)).writeto(path)
    subprocess.run(["fpack", *options, str(path)], check=True)
    assert_same_as_astropy(path.with_name("a.fits.fz"))


@pytest.mark.skipif(not REALSKY.is_dir(), reason="the real images are not beside the repository")
def test_every_real_image() -> None:
    paths = sorted(path for path in REALSKY.rglob("*.fits*") if path.is_file())
    assert len(paths) > 20
    for path in paths:
        content = path.read_bytes()
        plain = bz2.decompress(content) if content.startswith(b"BZ") else content
        raw = fits.open(io.BytesIO(plain), do_not_scale_image_data=True)
        with closing(open_fits(str(path))) as file, raw as expected:
            for found in file.images:
                wanted = expected[found.number].data
                for box in list(boxes(wanted.shape))[:6]:
                    part = wanted[..., box.y0 : box.y1, box.x0 : box.x1].astype(found.dtype)
                    assert found.read(box).tobytes() == part.tobytes(), (path, box)
