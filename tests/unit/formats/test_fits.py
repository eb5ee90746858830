import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import Header
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.headers import HeaderTemplate
from soda_service.engine.fits.image import PixelBox
from soda_service.formats.fits import FitsBuffer
from tests.unit.skyimages import noise, tan_header

DTYPES = ["u1", ">i2", "i4", ">i8", "f4", ">f8"]
BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}

Plane = tuple[str, NDArray[np.generic]]


def header_of(
    pixels: NDArray[np.generic],
    role: str = "SCI",
    *,
    is_primary: bool = True,
    cards: Sequence[tuple[str, object, str]] = (),
    own: Header | None = None,
) -> bytes:
    """Make the header of pixels that are a plane of their own."""
    parent = Header([("BITPIX", BITPIX[pixels.dtype.str[1:]]), ("NAXIS", pixels.ndim)])
    for axis, length in enumerate(pixels.shape[::-1], 1):
        parent[f"NAXIS{axis}"] = length
    parent.extend(own or Header(), unique=True, strip=False)
    template = HeaderTemplate(
        TextHeader.from_astropy(parent),
        primary=None,
        is_primary=is_primary,
        role=role,
        cards=cards,
    )
    ny, nx = pixels.shape[-2:]
    return template.render(PixelBox(0, ny, 0, nx))


def written(planes: Sequence[Plane], buffer: FitsBuffer | None = None, **fields: object) -> bytes:
    """Write planes into a file, and take it."""
    buffer = buffer or FitsBuffer()
    buffer.begin()
    for number, (role, pixels) in enumerate(planes):
        header = header_of(pixels, role, is_primary=number == 0, **fields)  # type: ignore[arg-type]
        buffer.add(header, pixels.shape, pixels.dtype)[...] = pixels
    return bytes(buffer.finish())


def image(dtype: str = "f4", shape: tuple[int, ...] = (7, 5), role: str = "SCI") -> Plane:
    return role, noise(shape, dtype)


def opened(data: bytes) -> fits.HDUList:
    """Open with every check that astropy has; a wrong sum would be a warning, so an error."""
    file = fits.open(io.BytesIO(data), checksum=True, do_not_scale_image_data=True)
    file.verify("exception")
    for hdu in file:
        assert hdu.verify_checksum() == hdu.verify_datasum() == 1
    return file


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        FitsBuffer().finish()


@pytest.mark.parametrize("dtype", ["f2", "u4", "bool", "c8"])
def test_pixels_that_fits_has_not_are_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match="FITS has no pixels of type"):
        FitsBuffer().add(b"", (2, 2), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7, 5), (1, 1), (3, 4, 5), (40, 36)], ids=str)
def test_pixels_come_back(dtype: str, shape: tuple[int, ...]) -> None:
    _, pixels = picture = image(dtype, shape)
    data = written([picture])
    assert len(data) % 2880 == 0
    with opened(data) as file:
        assert file[0].data.dtype.newbyteorder("=") == pixels.dtype.newbyteorder("=")
        np.testing.assert_array_equal(file[0].data, pixels)


def test_planes_are_primary_and_extensions() -> None:
    planes = [image("f4"), image("i4", role="MSK"), image(">f4", role="WGT")]
    data = written(planes)
    with opened(data) as file:
        assert [hdu.name for hdu in file] == ["SCI", "MSK", "WGT"]
        assert [type(hdu) for hdu in file] == [fits.PrimaryHDU, fits.ImageHDU, fits.ImageHDU]
        assert "EXTNAME" in file[0].header
        assert list(file[0].header)[:6] == [
            "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND",
        ]  # fmt: skip
        assert list(file[1].header)[-2:] == ["CHECKSUM", "DATASUM"]
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(data), "SCI"), planes[0][1])


def test_scaled_integers_stay_raw() -> None:
    raw = np.array([[-5, 0, 7]], "i2")
    own = Header([("BSCALE", 0.5), ("BZERO", 100.0), ("BLANK", -5)])
    data = written([("SCI", raw)], own=own)
    with opened(data) as file:
        assert file[0].data.tolist() == raw.tolist()
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(data)), [[np.nan, 100.0, 103.5]])


def test_sums_elsewhere_are_not_taken_for_the_sums() -> None:
    own = Header([("ZEROS", "0" * 40), ("HISTORY", "CHECKSUM= '0000000000000000'")])
    own["COMMENT"] = "DATASUM = '0       '"
    with opened(written([image()], own=own)) as file:
        assert file[0].header["ZEROS"] == "0" * 40
        assert str(file[0].header["COMMENT"]) == "DATASUM = '0       '"


def test_file_is_the_same_each_time_and_has_no_date() -> None:
    first, second = written([image()]), written([image()])
    assert first == second
    assert "DATE" not in fits.getheader(io.BytesIO(first))
    assert opened(first)[0].header.comments["CHECKSUM"] == "sum of the whole HDU is all ones"


def test_long_and_hierarchical_cards_are_written() -> None:
    cards = [("RA_CUTOUT", 30.25, "[deg]"), ("ACKNOWL", "long text " * 30, "")]
    with opened(written([image()], cards=cards)) as file:
        assert file[0].header["RA_CUTOUT"] == 30.25
        assert file[0].header["ACKNOWL"] == ("long text " * 30).rstrip()


@pytest.mark.parametrize("after", [(90, 70), (3, 3)], ids=["larger", "smaller"])
def test_nothing_is_left_of_the_file_before(after: tuple[int, int]) -> None:
    planes = [image(shape=after), image(shape=after, role="WGT")]
    buffer = FitsBuffer()
    written([image("f8", shape=(50, 41)), image("f8", shape=(50, 41), role="WGT")], buffer)
    assert written(planes, buffer) == written(planes)


def test_a_plane_that_is_filled_stays_when_the_buffer_grows() -> None:
    buffer = FitsBuffer()
    planes = [image(shape=(10 * n, 10), role=f"P{n}") for n in range(1, 8)]
    assert written(planes, buffer) == b"".join(written_alone(planes))


def written_alone(planes: Sequence[Plane]) -> list[bytes]:
    parts = []
    for number, (role, pixels) in enumerate(planes):
        buffer = FitsBuffer()
        header = header_of(pixels, role, is_primary=number == 0)
        buffer.add(header, pixels.shape, pixels.dtype)[...] = pixels
        parts.append(bytes(buffer.finish()))
    return parts


@settings(max_examples=150, deadline=None)
@given(
    pixels=st.sampled_from(["u1", "i2", "i4"]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=2, max_dims=3, max_side=9))
    ),
    text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
)
def test_sums_are_right_for_whatever_pixels(pixels: np.ndarray, text: str) -> None:
    with opened(written([("SCI", pixels)], cards=[("OBJECT", text, "")])) as file:
        np.testing.assert_array_equal(file[0].data, pixels)


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="fitsverify is not installed")
def test_fitsverify_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cutout.fits"
    planes = [image("f4"), image("i4", role="MSK"), image("f8", role="WGT")]
    cards = [
        ("RA_CUTOUT", 30.25, "[deg]"),
        ("ACKNOWL", "it's a long text " * 12, "by whom"),
        ("PARFILE", "", "no name"),
        ("LONG_ACKNOWL", "&" * 90, ""),
    ]
    path.write_bytes(written(planes, own=tan_header((7, 5)), cards=cards))
    run = subprocess.run(["fitsverify", "-q", path], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.split(":")[0]) == (0, "verification OK")


def test_writing_needs_no_astropy() -> None:
    program = """
import sys
from soda_service.engine.fits.header import TextHeader, card_lines
from soda_service.engine.fits.headers import HeaderTemplate
from soda_service.engine.fits.image import PixelBox
from soda_service.formats.fits import FitsBuffer
cards = [("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 4), ("NAXIS2", 4), ("CRPIX1", 2.5)]
parent = "".join(card_lines(*card) for card in cards) + "END".ljust(80)
template = HeaderTemplate(
    TextHeader.from_bytes(parent.encode()),
    primary=None,
    is_primary=True,
    role="SCI",
    cards=[("ACKNOWL", "a long text " * 20, "by whom")],
)
buffer = FitsBuffer()
buffer.begin()
buffer.add(template.render(PixelBox(0, 2, 1, 3)), (2, 2), "f4")[...] = 1
buffer.finish()
sys.exit("astropy" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
