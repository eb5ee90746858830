import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import Header
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from soda_service.engine.cut import cut_header
from soda_service.engine.image import Image, PixelBox
from soda_service.formats.fits import fits_pieces, to_fits
from tests.unit.skyimages import noise, tan_header

DTYPES = ["u1", ">i2", "i4", ">i8", "f4", ">f8"]


def image(dtype: str = "f4", shape: tuple[int, ...] = (7, 5), role: str = "SCI") -> Image:
    return Image(noise(shape, dtype), tan_header(shape[-2:], BITPIX=8), role)


def opened(data: bytes) -> fits.HDUList:
    """Open with every check that astropy has; a wrong sum would be a warning, so an error."""
    file = fits.open(io.BytesIO(data), checksum=True, do_not_scale_image_data=True)
    file.verify("exception")
    for hdu in file:
        assert hdu.verify_checksum() == hdu.verify_datasum() == 1
    return file


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        to_fits([])


@pytest.mark.parametrize("dtype", ["f2", "u4", "bool", "c8"])
def test_pixels_that_fits_has_not_are_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match="FITS has no pixels of type"):
        to_fits([Image(np.zeros((2, 2), dtype), Header())])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7, 5), (1, 1), (3, 4, 5), (40, 36)], ids=str)
def test_pixels_come_back(dtype: str, shape: tuple[int, ...]) -> None:
    picture = image(dtype, shape)
    data = to_fits([picture])
    assert len(data) % 2880 == 0
    with opened(data) as file:
        assert file[0].data.dtype.newbyteorder("=") == picture.data.dtype.newbyteorder("=")
        np.testing.assert_array_equal(file[0].data, picture.data)


def test_planes_are_primary_and_extensions() -> None:
    planes = [image("f4"), image("i4", role="MSK"), image(">f4", role="WGT")]
    data = to_fits(planes)
    with opened(data) as file:
        assert [hdu.name for hdu in file] == ["SCI", "MSK", "WGT"]
        assert [type(hdu) for hdu in file] == [fits.PrimaryHDU, fits.ImageHDU, fits.ImageHDU]
        assert "EXTNAME" in file[0].header
        assert list(file[0].header)[:6] == [
            "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND",
        ]  # fmt: skip
        assert list(file[1].header)[-2:] == ["CHECKSUM", "DATASUM"]
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(data), "SCI"), planes[0].data)


def test_own_name_stays() -> None:
    picture = Image(noise((3, 3)), tan_header((3, 3), EXTNAME="IMAGE"), "SCI")
    with opened(to_fits([picture])) as file:
        assert file[0].header["EXTNAME"] == "IMAGE"


def test_structure_follows_the_pixels() -> None:
    wrong = tan_header((99, 98), BITPIX=16, PCOUNT=3, GCOUNT=1, XTENSION="BINTABLE", GROUPS=True)
    with opened(to_fits([Image(noise((3, 4)), wrong)])) as file:
        header = file[0].header
        assert (header["BITPIX"], header["NAXIS1"], header["NAXIS2"]) == (-32, 4, 3)
        assert not {"PCOUNT", "GCOUNT", "XTENSION", "GROUPS"} & set(header)


def test_scaled_integers_stay_raw() -> None:
    raw = np.array([[-5, 0, 7]], "i2")
    header = Header([("BSCALE", 0.5), ("BZERO", 100.0), ("BLANK", -5)])
    data = to_fits([Image(raw, header)])
    with opened(data) as file:
        assert file[0].data.tolist() == raw.tolist()
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(data)), [[np.nan, 100.0, 103.5]])


def test_sixteen_zeros_elsewhere_are_not_taken_for_the_sum() -> None:
    header = Header([("ZEROS", "0" * 40), ("HISTORY", "CHECKSUM= '0000000000000000'")])
    with opened(to_fits([Image(noise((3, 4)), header)])) as file:
        assert file[0].header["ZEROS"] == "0" * 40


def test_file_is_the_same_each_time_and_has_no_date() -> None:
    first, second = to_fits([image()]), to_fits([image()])
    assert first == second
    assert "DATE" not in fits.getheader(io.BytesIO(first))
    assert opened(first)[0].header.comments["CHECKSUM"] == "sum of the whole HDU is all ones"


def test_headers_are_not_changed() -> None:
    picture = image()
    before = picture.header.tostring()
    to_fits([picture])
    assert picture.header.tostring() == before


def test_long_and_hierarchical_cards_are_written() -> None:
    cards = [("RA_CUTOUT", 30.25, "[deg]"), ("ACKNOWL", "long text " * 30, "")]
    box = PixelBox(0, 3, 0, 4)
    header = cut_header(tan_header(), primary=None, box=box, is_primary=True, cards=cards)
    with opened(to_fits([Image(noise((3, 4)), header)])) as file:
        assert file[0].header["RA_CUTOUT"] == 30.25
        assert file[0].header["ACKNOWL"] == ("long text " * 30).rstrip()


def test_pieces_take_one_image_at_a_time() -> None:
    taken: list[str] = []

    def images() -> object:
        for role in ("SCI", "WGT"):
            taken.append(role)
            yield image(role=role)

    pieces = fits_pieces(images())
    first = next(pieces)
    assert taken == ["SCI"]
    assert b"".join([first, *pieces]) == to_fits([image(), image(role="WGT")])


@settings(max_examples=150, deadline=None)
@given(
    pixels=st.sampled_from(["u1", "i2", "i4"]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=2, max_dims=3, max_side=9))
    ),
    text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
)
def test_sums_are_right_for_whatever_pixels(pixels: np.ndarray, text: str) -> None:
    with opened(to_fits([Image(pixels, Header([("OBJECT", text)]))])) as file:
        np.testing.assert_array_equal(file[0].data, pixels)


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="fitsverify is not installed")
def test_fitsverify_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cutout.fits"
    path.write_bytes(to_fits([image("f4"), image("i4", role="MSK"), image("f8", role="WGT")]))
    run = subprocess.run(["fitsverify", "-q", path], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.split(":")[0]) == (0, "verification OK")
