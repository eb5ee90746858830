import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from soda_service.engine.compiled import native
from soda_service.engine.fits.image import PixelBox
from soda_service.errors import TileUnreadable
from soda_service.pixels.fitsfile import FitsFile
from soda_service.pixels.reader import TileFile, TileHandle, TileReader
from soda_service.sky.release import Plane
from tests.unit.skyimages import (
    DES_PLANES,
    des_like_tile,
    noise,
    open_path,
    plain_tile,
    sip_header,
    tan_header,
)

SHAPE = (80, 100)
BOX = PixelBox(11, 31, 42, 77)

HANDLES_PER_FILE = 2
"""Its own, and its memory map's."""


def open_files() -> int:
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


# What is read


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2"])
@pytest.mark.parametrize("planes", [DES_PLANES, ()], ids=["named", "found"])
def test_des_like_tile(tmp_path: Path, kind: str, planes: tuple[Plane, ...]) -> None:
    path = des_like_tile(tmp_path / "a.fits.fz", kind=kind)
    handle = open_path(path, planes)
    assert [plane.role for plane in handle.planes] == ["SCI", "MSK", "WGT"]
    assert [plane.shape for plane in handle.planes] == [SHAPE] * 3
    assert (handle.shape, handle.primary["TILENAME"]) == (SHAPE, "DES0000+0000")
    assert handle.planes[0].header["NAXIS1"] == 100
    assert not [name for name in handle.planes[0].header if name.startswith("Z")]
    with fits.open(path) as file:
        for number in range(3):
            for box in (BOX, PixelBox(0, 80, 0, 100), PixelBox(79, 80, 99, 100)):
                expected = file[number + 1].data[box.y0 : box.y1, box.x0 : box.x1]
                found = handle.read(number, box)
                assert found.astype(expected.dtype).tobytes() == expected.tobytes()
                assert found.flags.owndata


@pytest.mark.parametrize(
    ("kind", "tile_shape"),
    [
        ("RICE_1", (16, 33)),
        ("RICE_1", (80, 100)),
        ("PLIO_1", (7, 100)),
        ("GZIP_2", (7, 99)),
        ("HCOMPRESS_1", (16, 25)),
        ("NOCOMPRESS", (1, 100)),
    ],
    ids=str,
)
def test_any_tiling(tmp_path: Path, kind: str, tile_shape: tuple[int, int]) -> None:
    data = np.abs(noise(SHAPE, "i2"))
    path = tmp_path / "a.fits.fz"
    header = tan_header(BITPIX=16)
    hdu = fits.CompImageHDU(data, header, compression_type=kind, tile_shape=tile_shape)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    np.testing.assert_array_equal(open_path(path).read(0, BOX), data[11:31, 42:77])


@pytest.mark.parametrize("suffix", [".fits", ".fits.fz", ".fits.gz", ".fits.bz2"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
def test_packed_and_plain_files(tmp_path: Path, suffix: str, dtype: str) -> None:
    data = noise(SHAPE, "f4").clip(0, 255).astype(dtype)
    handle = open_path(plain_tile(tmp_path / f"a{suffix}", data))
    for box in (BOX, PixelBox(5, 6, 0, 100), PixelBox(0, 80, 0, 100)):
        found = handle.read(0, box)
        assert found.dtype.newbyteorder("=") == data.dtype
        np.testing.assert_array_equal(found, data[box.y0 : box.y1, box.x0 : box.x1])


def test_unpacked_copy_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    handle = open_path(plain_tile(tmp_path / "a.fits.gz", noise(SHAPE)))
    assert list(scratch.iterdir()) == []
    assert handle.read(0, BOX).shape == BOX.shape


def test_cube_is_cut_through(tmp_path: Path) -> None:
    cube = noise((2, 3, *SHAPE))
    handle = open_path(plain_tile(tmp_path / "a.fits", cube))
    assert (handle.shape, handle.planes[0].shape) == (SHAPE, (2, 3, *SHAPE))
    np.testing.assert_array_equal(handle.read(0, BOX), cube[..., 11:31, 42:77])


def test_compressed_cube_is_cut_through(tmp_path: Path) -> None:
    cube = noise((3, *SHAPE), "i4")
    path = tmp_path / "a.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(cube, tan_header())]).writeto(path)
    np.testing.assert_array_equal(open_path(path).read(0, BOX), cube[..., 11:31, 42:77])


@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "compressed"])
def test_scaled_integers_stay_raw(tmp_path: Path, is_compressed: bool) -> None:
    values = noise(SHAPE, "f4").clip(0, 3000).astype("u2") + 40000
    path = tmp_path / "a.fits"
    kind = fits.CompImageHDU if is_compressed else fits.ImageHDU
    fits.HDUList([fits.PrimaryHDU(), kind(values, tan_header(BITPIX=16))]).writeto(path)
    handle = open_path(path)
    found = handle.read(0, BOX)
    assert found.dtype.kind == "i"
    assert handle.planes[0].header["BZERO"] == 32768
    np.testing.assert_array_equal(found + 32768.0, values[11:31, 42:77])


def test_roles_follow_names(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    names = ("image", "invvar", "dq", "odd", "", "WHT")
    hdus = [fits.ImageHDU(noise(SHAPE), tan_header(), name=name) for name in names]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    roles = [plane.role for plane in open_path(path).planes]
    assert roles == ["SCI", "WGT", "MSK", "ODD", "5", "WGT6"]


def test_only_planes_on_the_same_sky_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(noise((5, 6))),
        fits.ImageHDU(noise(SHAPE), tan_header(), name="SCI"),
        fits.BinTableHDU(np.zeros(3, [("x", "f4")])),
        fits.ImageHDU(noise((40, 50)), tan_header((40, 50)), name="SMALL"),
        fits.ImageHDU(noise(SHAPE), tan_header(ra_deg=31.0), name="NEXTCCD"),
        fits.ImageHDU(noise(SHAPE), name="NOWCS"),
        fits.ImageHDU(noise(SHAPE, "i2"), tan_header(), name="MSK"),
    ]
    fits.HDUList(hdus).writeto(path)
    assert [plane.role for plane in open_path(path).planes] == ["SCI", "MSK"]


def test_planes_by_number(tmp_path: Path) -> None:
    path = des_like_tile(tmp_path / "a.fits.fz")
    handle = open_path(path, (Plane("SCI", 1), Plane("WGT", 3)))
    assert [(p.role, p.header["EXTNAME"]) for p in handle.planes] == [
        ("SCI", "SCI"),
        ("WGT", "WGT"),
    ]


def test_wcs_has_its_distortions(tmp_path: Path) -> None:
    path = plain_tile(tmp_path / "a.fits", noise(SHAPE), sip_header())
    ra, dec = open_path(path).grid.pixel_to_sky(np.array([0.0, 99.0]), np.array([3.0, 70.0]))
    expected = WCS(sip_header()).all_pix2world([0.0, 99.0], [3.0, 70.0], 0)
    np.testing.assert_allclose([ra, dec], expected, rtol=0, atol=1e-10)


def test_broken_cards_are_mended_or_left_out(tmp_path: Path) -> None:
    path = plain_tile(tmp_path / "a.fits", noise(SHAPE), tan_header(GOOD=1, BADVALUE=2, LOWER=3))
    content = path.read_bytes()
    content = content.replace(b"BADVALUE=                    2", b"BADVALUE= 1.2.3 is not a value")
    content = content.replace(b"LOWER   =                    3", b"lower   =                    3")
    path.write_bytes(content)
    header = open_path(path).planes[0].header
    assert (header["GOOD"], header["LOWER"]) == (1, 3)
    for card in header.to_astropy().cards:
        card.verify("exception")


# Files kept open


def test_the_oldest_is_let_go(tmp_path: Path) -> None:
    paths = [plain_tile(tmp_path / f"{name}.fits", noise((5, 6))) for name in "abc"]
    before = open_files()
    reader = TileReader(max_open=2)
    files = [TileFile(str(path)) for path in paths]
    first = reader.open(files[0])
    reader.open(files[1])
    assert reader.open(files[0]) is first
    reader.open(files[2])
    assert open_files() == before + 2 * HANDLES_PER_FILE
    assert reader.open(files[0]) is first
    del first
    reader.close()
    assert open_files() == before


def test_files_are_let_go_when_their_tables_fill_the_memory(tmp_path: Path) -> None:
    files = [TileFile(str(des_like_tile(tmp_path / f"{n}.fits.fz")), DES_PLANES) for n in range(3)]
    alone = open_path(Path(files[0].path), DES_PLANES)
    read_all(alone)
    reader = TileReader(max_bytes=alone.table_bytes * 2 - 1)
    opened = [read_all(reader.open(file)) for file in files]
    assert reader.open(files[2]) is opened[2]
    assert reader.open(files[0]) is not opened[0]
    opened[0].read(0, BOX)


def read_all(handle: TileHandle) -> TileHandle:
    for number in range(len(handle.planes)):
        handle.read(number, BOX)
    return handle


def test_handle_outlives_its_place_in_the_reader(tmp_path: Path) -> None:
    paths = [plain_tile(tmp_path / f"{name}.fits", noise((5, 6))) for name in "ab"]
    reader = TileReader(max_open=1)
    first = reader.open(TileFile(str(paths[0])))
    reader.open(TileFile(str(paths[1])))
    assert first.read(0, PixelBox(0, 5, 0, 6)).shape == (5, 6)


def test_changed_file_is_opened_again(tmp_path: Path) -> None:
    path = plain_tile(tmp_path / "a.fits", np.zeros((5, 6), "f4"))
    reader, file, box = TileReader(), TileFile(str(path)), PixelBox(0, 1, 0, 1)
    old = reader.open(file)
    assert old.read(0, box).tolist() == [[0.0]]
    os.utime(plain_tile(path, np.ones((5, 6), "f4")), ns=(1, 1))
    assert reader.open(file).read(0, box).tolist() == [[1.0]]


def test_deleted_file_is_missing(tmp_path: Path) -> None:
    path = plain_tile(tmp_path / "a.fits", noise((5, 6)))
    reader, file = TileReader(), TileFile(str(path))
    reader.open(file)
    path.unlink()
    with pytest.raises(TileUnreadable, match="no such file"):
        reader.open(file)


def test_failed_opening_leaves_no_file_open(tmp_path: Path) -> None:
    path = plain_tile(tmp_path / "a.fits", noise((5, 6)), fits.Header())
    before = open_files()
    with pytest.raises(TileUnreadable):
        open_path(path)
    assert open_files() == before


# Reading into a place


def test_planes_are_read_into_a_place(tmp_path: Path) -> None:
    handle = open_path(des_like_tile(tmp_path / "a.fits.fz"), DES_PLANES)
    for number, plane in enumerate(handle.planes):
        room = np.zeros((20, 50), plane.dtype)
        handle.read_into(number, BOX, room[:, 9:44])
        expected = handle.read(number, BOX)
        assert (expected.dtype, plane.dtype.byteorder) == (plane.dtype, ">")
        assert room[:, 9:44].tobytes() == expected.tobytes()
        assert not room[:, :9].any()
        assert not room[:, 44:].any()


@pytest.mark.parametrize(
    "room",
    [
        np.zeros((20, 34), ">f4"),
        np.zeros((1, 20, 35), ">f4"),
        np.zeros((20, 35), "<f4"),
        np.zeros((20, 35), ">i4"),
        np.zeros((20, 70), ">f4")[:, ::2],
    ],
    ids=["shape", "axes", "byte-order", "type", "gaps"],
)
def test_a_place_must_fit(tmp_path: Path, room: NDArray[np.generic]) -> None:
    handle = open_path(des_like_tile(tmp_path / "a.fits.fz"), DES_PLANES)
    with pytest.raises(ValueError, match=r"cannot hold >f4 of \(20, 35\)"):
        handle.read_into(0, BOX, room)


def test_announcing_a_box_does_no_harm(tmp_path: Path) -> None:
    for kind in ("RICE_1", "GZIP_1"):
        handle = open_path(des_like_tile(tmp_path / f"{kind}.fits.fz", kind=kind), DES_PLANES)
        handle.announce(BOX)
    cube = open_path(plain_tile(tmp_path / "a.fits", noise((2, *SHAPE))))
    cube.announce(BOX)
    os.truncate(tmp_path / "a.fits", 9000)
    cube.announce(BOX)


class Recorded:
    """Restart indexes that say what they are asked for, and have no marks."""

    step = 64

    def __init__(self) -> None:
        self.asked: list[object] = []

    def find(self, tile_path: str, file: FitsFile) -> "Recorded | None":
        self.asked.append((tile_path, file.label))
        return self if tile_path.endswith("b.fits.fz") else None

    def provide(
        self, tile_path: str, file: FitsFile, *, rows: int, progress: Callable[[], None]
    ) -> "Recorded | None":
        progress()
        self.asked.append((tile_path, file.label, rows))
        return self if rows > 9 else None

    def marks(self, hdu: int, y0: int, y1: int, column: int) -> None:
        self.asked.append((hdu, y0, y1, column))


NEEDS_DECODER = pytest.mark.skipif(native is None, reason="marks need the compiled decoder")
NARROW = PixelBox(3, 9, 70, 90)


@NEEDS_DECODER
def test_an_index_is_looked_for_when_a_tile_is_opened(tmp_path: Path) -> None:
    indexes = Recorded()
    reader = TileReader(indexes=indexes)
    for name, used in (("a.fits.fz", []), ("b.fits.fz", [(1, 3, 9, 1)])):
        path = des_like_tile(tmp_path / name)
        handle = reader.open(TileFile(str(path), DES_PLANES))
        handle.read(0, NARROW)
        assert indexes.asked == [(str(path), name), *used]
        indexes.asked.clear()


@NEEDS_DECODER
def test_an_index_is_made_where_it_is_worth_it(tmp_path: Path) -> None:
    indexes, calls = Recorded(), [0]
    path = str(des_like_tile(tmp_path / "a.fits.fz"))
    reader, file = TileReader(indexes=indexes), TileFile(path, DES_PLANES)
    for rows, used in ((9, []), (10, [(1, 3, 9, 1)])):
        reader.prepare(file, rows=rows, progress=lambda: calls.append(1))
        reader.open(file).read(0, NARROW)
        assert indexes.asked[-1 - len(used) :] == [(path, "a.fits.fz", rows), *used]
    assert len(calls) == 3
    TileReader().prepare(TileFile("nowhere"), rows=99, progress=lambda: None)


def test_threads_share_a_handle(tmp_path: Path) -> None:
    handle = open_path(des_like_tile(tmp_path / "a.fits.fz"), DES_PLANES)
    expected = handle.read(0, BOX)
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(n for n in range(10) if not np.array_equal(handle.read(0, BOX), expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
