import errno
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.engine.fits.image import PixelBox
from soda_service.errors import SourceUnavailable, TileUnreadable
from soda_service.pixels import source
from soda_service.sky.release import Plane
from tests.unit.skyimages import (
    DES_PLANES,
    des_like_tile,
    noise,
    open_path,
    plain_tile,
    tan_header,
)

SHAPE = (80, 100)
BOX = PixelBox(11, 31, 42, 77)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TileUnreadable, match=r"^gone\.fits: no such file$"):
        open_path(tmp_path / "gone.fits", root=str(tmp_path.parent))


def test_missing_root_is_away_for_the_moment(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    with pytest.raises(SourceUnavailable, match="root directory is gone"):
        open_path(root / "a.fits", root=str(root))


def test_empty_root_is_an_unmounted_disk(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="root directory is gone"):
        open_path(tmp_path / "a.fits", root=str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Empty or corrupt FITS file"),
        (b"SIMPLE", "No SIMPLE card found"),
        (b"not a FITS file at all" * 500, "No SIMPLE card found"),
        (b"\x1f\x8bnot really gzip", "."),
        (b"BZnot really bzip2", "."),
    ],
    ids=["empty", "short", "text", "false-gzip", "false-bzip2"],
)
def test_no_fits_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    with pytest.raises(TileUnreadable, match=rf"^a\.fits: .*{message}"):
        open_path(path)


def test_directory_is_no_tile(tmp_path: Path) -> None:
    with pytest.raises(TileUnreadable, match="Is a directory"):
        open_path(tmp_path)


@pytest.mark.parametrize("suffix", [".fits", ".gz", ".bz2"])
def test_truncated_file(tmp_path: Path, suffix: str) -> None:
    path = plain_tile(tmp_path / f"a{suffix}", noise(SHAPE))
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(TileUnreadable, match=rf"^a\{suffix}: "):
        open_path(path)


def test_truncated_compressed_file(tmp_path: Path) -> None:
    path = des_like_tile(tmp_path / "a.fits.fz")
    whole = path.read_bytes()
    for part in (0.95, 0.6, 0.3):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(TileUnreadable, match=r"^a\.fits\.fz: truncated"):
            open_path(path, DES_PLANES)


def test_file_cut_off_within_a_later_header(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    hdus = [fits.PrimaryHDU(noise(SHAPE), tan_header()), fits.ImageHDU(noise(SHAPE), tan_header())]
    fits.HDUList(hdus).writeto(path)
    path.write_bytes(path.read_bytes()[: 2880 * 2 + 34560 + 800])
    with pytest.raises(TileUnreadable, match="truncated"):
        open_path(path)


def test_file_truncated_while_open(tmp_path: Path) -> None:
    path = plain_tile(tmp_path / "a.fits", noise(SHAPE))
    handle = open_path(path)
    os.truncate(path, 9000)
    with pytest.raises(TileUnreadable, match=r"a\.fits: truncated: no byte"):
        handle.read(0, PixelBox(70, 80, 3, 9))


def test_missing_padding_of_the_last_block_does_no_harm(tmp_path: Path) -> None:
    data = noise(SHAPE)
    path = plain_tile(tmp_path / "a.fits", data)
    path.write_bytes(path.read_bytes()[: 2880 + data.nbytes])
    np.testing.assert_array_equal(open_path(path).read(0, PixelBox(0, 80, 0, 100)), data)


def test_damaged_compressed_pixels(tmp_path: Path) -> None:
    path = des_like_tile(tmp_path / "a.fits.fz", kind="GZIP_1")
    content = bytearray(path.read_bytes())
    with fits.open(path) as file:
        place = file[1].fileinfo()
        heap = place["datLoc"] + file[1]._bintable._theap
    content[heap : heap + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    handle = open_path(path, DES_PLANES)
    with pytest.raises(TileUnreadable, match=r"a\.fits\.fz: compressed pixels cannot be decoded"):
        handle.read(0, PixelBox(0, 80, 0, 100))


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (errno.EIO, SourceUnavailable, "a.fits: Input/output error"),
        (errno.ESTALE, SourceUnavailable, "a.fits: Stale file handle"),
        (errno.EMFILE, SourceUnavailable, "a.fits: Too many open files"),
        (errno.EACCES, TileUnreadable, "a.fits: Permission denied"),
    ],
    ids=["io", "stale", "handles", "access"],
)
def test_failures_of_the_moment_are_told_from_the_files(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    error: type[Exception],
    message: str,
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    handle = open_path(plain_tile(tmp_path / "a.fits", noise(SHAPE)))
    monkeypatch.setattr(source, "_POPULATE_READ", 9999)  # the kernel does not bring pages in
    monkeypatch.setattr(source.os, "preadv", fail)
    with pytest.raises(error, match=f"^{message}$"):
        handle.read(0, BOX)


def test_no_celestial_wcs(tmp_path: Path) -> None:
    header = fits.Header([("CTYPE1", "LINEAR"), ("CTYPE2", "LINEAR")])
    path = plain_tile(tmp_path / "a.fits", noise(SHAPE), header)
    message = r"^a\.fits: no celestial WCS: CTYPE1, CTYPE2 are LINEAR, LINEAR$"
    for planes in ((), (Plane("SCI", 0),)):
        with pytest.raises(TileUnreadable, match=message):
            open_path(path, planes)


def test_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(np.zeros(3, [("x", "f4")]))]).writeto(path)
    with pytest.raises(TileUnreadable, match=r"^a\.fits: no image HDU$"):
        open_path(path)


@pytest.mark.parametrize("hdu", ["VAR", 4, 0], ids=str)
def test_plane_that_is_not_there(tmp_path: Path, hdu: str | int) -> None:
    path = des_like_tile(tmp_path / "a.fits.fz")
    message = rf"no image HDU {hdu} \(X\); there are: SCI, MSK, WGT$"
    with pytest.raises(TileUnreadable, match=message):
        open_path(path, (*DES_PLANES, Plane("X", hdu)))


def test_planes_of_different_size(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    hdus = [fits.PrimaryHDU(noise(SHAPE), tan_header()), fits.ImageHDU(noise((80, 99)), name="WGT")]
    fits.HDUList(hdus).writeto(path)
    with pytest.raises(TileUnreadable, match="plane WGT is 99 x 80 pixels, but SCI 100 x 80"):
        open_path(path, (Plane("SCI", 0), Plane("WGT", "WGT")))


@pytest.mark.parametrize(
    "box",
    [PixelBox(0, 0, 0, 5), PixelBox(-1, 5, 0, 5), PixelBox(0, 81, 0, 5), PixelBox(0, 5, 99, 101)],
    ids=["empty", "below", "above", "right"],
)
def test_box_must_be_inside(tmp_path: Path, box: PixelBox) -> None:
    handle = open_path(plain_tile(tmp_path / "a.fits", noise(SHAPE)))
    with pytest.raises(ValueError, match=r"is not inside an image of \(80, 100\) pixels"):
        handle.read(0, box)
