"""Tables of compressed rows: as others write them, damaged, with restart marks, from afar."""

import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from soda_service.engine.fits.image import PixelBox
from soda_service.errors import TileUnreadable
from soda_service.pixels.fitsfile import open_fits

SHAPE = (40, 3000)
BOX = PixelBox(5, 31, 1111, 1999)
WHOLE = PixelBox(0, 40, 0, 3000)


def sky(dtype: str = "f4") -> NDArray[np.generic]:
    values = np.random.default_rng(5).normal(20.0, 5.0, SHAPE)
    values[12] = 3.5
    return values.astype(dtype)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file of quantised rows; row 12 cannot be quantised and is packed."""
    path = tmp_path / "a.fits.fz"
    hdu = fits.CompImageHDU(sky(), quantize_method=2, dither_seed=77, tile_shape=(1, 3000))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def pixels(path: Path, box: PixelBox = WHOLE) -> NDArray[np.generic]:
    with closing(open_fits(str(path))) as file:
        return file.images[0].read(box)


def as_astropy_reads(path: Path) -> NDArray[np.generic]:
    with fits.open(path, do_not_scale_image_data=True) as file:
        data: NDArray[np.generic] = file[1].data
        return data.astype(data.dtype.newbyteorder(">"))


# Tables as others write them

Columns = dict[str, tuple[str, Any]]
Change = Callable[[Columns, fits.Header], None]


def rewrite(path: Path, change: Change) -> None:
    """Write a table anew, with columns and keywords changed."""
    with fits.open(path, disable_image_compression=True) as file:
        table, header = file[1], file[1].header.copy()
        columns: Columns = {
            column.name: (column.format, [np.array(row) for row in table.data[column.name]])
            for column in table.columns
        }
    kept = {card.keyword: card.value for card in header.cards if card.keyword.startswith("Z")}
    fresh = fits.Header(kept)
    change(columns, fresh)
    made = [
        fits.Column(name, form, array=_array(form, rows)) for name, (form, rows) in columns.items()
    ]
    hdu = fits.BinTableHDU.from_columns(made)
    hdu.header.update(fresh)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)


def _array(form: str, rows: Any) -> Any:
    if "P" not in form and "Q" not in form:
        return np.array([np.ravel(row)[0] for row in rows])
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def as_64_bit_descriptors(columns: Columns, _: fits.Header) -> None:
    for name in ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"):
        columns[name] = ("1QB()", columns[name][1])


def with_other_columns_before(columns: Columns, _: fits.Header) -> None:
    before: Columns = {"ODD": ("11X", [np.zeros(11, bool)] * 40), "NAME": ("7A", ["x"] * 40)}
    after = dict(columns)
    columns.clear()
    columns.update({"ODD": ("1M", [np.array(1j)] * 40), "NAME": before["NAME"], **after})


def with_unpacked_rows(columns: Columns, _: fits.Header) -> None:
    _, rows = columns.pop("GZIP_COMPRESSED_DATA")
    plain = [np.frombuffer(zlib.decompress(row, 47), ">f4") if len(row) else row for row in rows]
    columns["UNCOMPRESSED_DATA"] = ("1PE()", plain)


def with_single_precision_scales(columns: Columns, _: fits.Header) -> None:
    for name in ("ZSCALE", "ZZERO"):
        columns[name] = ("1E", columns[name][1])


def with_a_blank_per_row(columns: Columns, header: fits.Header) -> None:
    header.pop("ZBLANK", None)
    columns["ZBLANK"] = ("1J", [np.array(-2147483648 + 7 * n) for n in range(40)])


def without_an_algorithm_of_our_own(_: Columns, header: fits.Header) -> None:
    header["ZCMPTYPE"] = "RICE_ONE"


@pytest.mark.parametrize(
    "change",
    [
        as_64_bit_descriptors,
        with_other_columns_before,
        with_unpacked_rows,
        with_single_precision_scales,
        with_a_blank_per_row,
        without_an_algorithm_of_our_own,
    ],
)
def test_tables_as_others_write_them(path: Path, change: Change) -> None:
    rewrite(path, change)
    expected = as_astropy_reads(path)
    with closing(open_fits(str(path))) as file:
        assert file.images[0].rows is not None
    assert pixels(path).tobytes() == expected.tobytes()
    part = expected[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1]
    assert pixels(path, BOX).tobytes() == part.tobytes()


def test_scales_in_keywords_hold_for_all_rows(path: Path) -> None:
    """FITS 4.0, 10.2; astropy overlooks them, so the values are compared with those of columns."""

    def same_scale(columns: Columns, _: fits.Header) -> None:
        columns["ZSCALE"], columns["ZZERO"] = (("1D", [np.array(v)] * 40) for v in (0.25, -3.0))

    def in_keywords(columns: Columns, header: fits.Header) -> None:
        del columns["ZSCALE"], columns["ZZERO"]
        header["ZSCALE"], header["ZZERO"] = 0.25, -3.0

    rewrite(path, same_scale)
    expected = as_astropy_reads(path)
    rewrite(path, in_keywords)
    assert pixels(path).tobytes() == expected.tobytes()


def test_blanks_of_integers_are_left_to_astropy(tmp_path: Path) -> None:
    path = tmp_path / "a.fits.fz"
    hdu = fits.CompImageHDU(sky("i4"), tile_shape=(1, 3000))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)

    def with_blanks(columns: Columns, header: fits.Header) -> None:
        columns["ZBLANK"], header["ZBLANK"] = ("1J", [np.array(19)] * 40), -1

    rewrite(path, with_blanks)
    with closing(open_fits(str(path))) as file:
        assert file.images[0].rows is None
    assert pixels(path).tobytes() == as_astropy_reads(path).tobytes()


# What is damaged


def patch_table(path: Path, row: int, at: int, value: int, kind: str = ">i4") -> None:
    with fits.open(path, disable_image_compression=True) as file:
        start = file[1].fileinfo()["datLoc"] + row * file[1].header["NAXIS1"] + at
    content = bytearray(path.read_bytes())
    content[start : start + 4] = np.array([value], kind).tobytes()
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, -1), (0, 2**31 - 1), (4, -5), (4, 2**31 - 1), (4, 1 << 20)],
    ids=["negative-length", "long", "negative-place", "far", "beyond"],
)
@pytest.mark.parametrize("row", [0, 20, 39])
def test_rows_that_lie_nowhere(path: Path, row: int, at: int, value: int) -> None:
    expected = as_astropy_reads(path)
    patch_table(path, row, at, value)
    message = rf"^row {row} of HDU 1 is damaged: it does not lie within its table$"
    for box in (WHOLE, PixelBox(row, row + 1, 7, 8)):
        with pytest.raises(TileUnreadable, match=message):
            pixels(path, box)
    others = PixelBox(1, 19, 0, 3000)
    assert pixels(path, others).tobytes() == expected[1:19].tobytes()


def test_a_row_that_is_in_no_column(path: Path) -> None:
    patch_table(path, 17, 0, 0)
    with pytest.raises(TileUnreadable, match=r"^row 17 of HDU 1 is damaged: it does not lie"):
        pixels(path)


def test_a_stream_that_ends_early(path: Path) -> None:
    patch_table(path, 8, 0, 40)
    with pytest.raises(TileUnreadable, match=r"^row 8 of HDU 1 is damaged$"):
        pixels(path)


@pytest.mark.parametrize("content", [b"\xff" * 60, zlib.compress(bytes(50_000)), b"x"], ids=len)
def test_a_packed_row_that_is_damaged(path: Path, content: bytes) -> None:
    def with_other_content(columns: Columns, _: fits.Header) -> None:
        form, rows = columns["GZIP_COMPRESSED_DATA"]
        rows[12] = np.frombuffer(content, np.uint8)
        columns["GZIP_COMPRESSED_DATA"] = (form, rows)

    rewrite(path, with_other_content)
    with pytest.raises(TileUnreadable, match=r"^row 12 of HDU 1 is damaged: "):
        pixels(path)
    assert pixels(path, PixelBox(13, 40, 0, 9)).shape == (27, 9)


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("TFORM1", "1Z", "damaged: TFORM1 is '1Z'"),
        ("TFORM1", "1PL(7)", r"damaged: TFORM1 of COMPRESSED_DATA is 1PL"),
        ("TFORM3", "900D", "damaged: columns of .* bytes in rows of"),
        ("TFIELDS", 7000, "damaged: TFIELDS is 7000"),
        ("THEAP", 5, "damaged: THEAP of HDU 1 is 5"),
        ("THEAP", 99_999_999, "damaged: THEAP of HDU 1 is 99999999"),
        ("ZNAXIS2", 41, "damaged: HDU 1 has 40 compressed rows of 41"),
        ("ZNAXIS2", 10**12, "damaged: HDU 1 has 40 compressed rows of 10{12}"),
        ("ZNAXIS1", -5, "damaged: ZNAXIS1 is -5"),
        ("ZNAXIS", 2000, "damaged: ZNAXIS is 2000"),
        ("ZTILE1", 0.5, "damaged: ZTILE1 is 0.5, not an integer"),
    ],
)
def test_keywords_of_a_table_that_cannot_be(
    path: Path, keyword: str, value: object, message: str
) -> None:
    content = path.read_bytes()
    card = str(fits.Card(keyword, value)).encode()
    place = content.find(keyword.ljust(8).encode() + b"=")
    if place < 0:  # in the place of a keyword that is not needed
        place = content.find(b"TTYPE2  =")
        card = card.ljust(80)
    path.write_bytes(content[:place] + card + content[place + 80 :])
    with pytest.raises(TileUnreadable, match=message):
        pixels(path)


def test_what_is_told_of_a_table(path: Path) -> None:
    with closing(open_fits(str(path))) as file:
        before = file.table_bytes
        rows = file.images[0].rows
        assert rows is not None
        assert (len(rows.starts), rows.lengths[12], rows.scheme.width) == (40, 0, 3000)
        assert rows.size_bytes == file.table_bytes - before == 40 * 4 * 8 + 3 * 8
        streams = rows.streams(3, 9)
        assert (streams.first_row, streams.lengths.tolist()) == (3, rows.lengths[3:9].tolist())
        assert replace(rows, checksum=0).checksum != rows.checksum
        del streams
