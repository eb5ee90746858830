import io
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from soda_service.formats.raster import to_jpeg, to_png


def picture(shape: tuple[int, ...], seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("encode", [to_png, to_jpeg])
@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 5, 3), "f4"),
        np.zeros((4, 5, 4), "u1"),
        np.zeros((4, 5, 3, 1), "u1"),
        np.zeros(7, "u1"),
        np.zeros((0, 5, 3), "u1"),
    ],
    ids=["float", "four-planes", "four-axes", "one-axis", "empty"],
)
def test_what_is_no_picture_is_refused(encode: object, pixels: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match=r"a picture is uint8 of shape .*, found"):
        encode(pixels)


@pytest.mark.parametrize("keyword", ["", "x" * 80, "tab\tbed", "Größe"])
def test_png_keywords_are_checked(keyword: str) -> None:
    with pytest.raises(ValueError, match="a PNG keyword is 1 to 79 printable characters"):
        to_png(picture((2, 2)), text={keyword: "x"})


@pytest.mark.parametrize("shape", [(7, 5, 3), (7, 5), (1, 1, 3), (1, 1), (228, 228, 3)], ids=str)
def test_png_gives_the_pixels_back(shape: tuple[int, ...]) -> None:
    pixels = picture(shape)
    with Image.open(io.BytesIO(to_png(pixels))) as image:
        image.load()
        assert image.mode == ("L" if len(shape) == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_png_of_a_turned_view() -> None:
    pixels = picture((6, 9, 3))
    turned = pixels.swapaxes(0, 1)[::-1, ::-1]
    with Image.open(io.BytesIO(to_png(turned))) as image:
        np.testing.assert_array_equal(np.asarray(image), turned)


def test_png_text_is_unicode_and_before_the_pixels() -> None:
    text = {"XML:com.adobe.xmp": "<x>Größe π</x>", "Title": "a" * 5000}
    data = to_png(picture((3, 3)), text=text)
    with Image.open(io.BytesIO(data)) as image:
        assert image.text == text
    assert data.index(b"iTXt") < data.index(b"IDAT")


def test_png_chunks_have_their_sums() -> None:
    text = {"a": "b", "c": "\N{GREEK SMALL LETTER PI}", "XML:com.adobe.xmp": "<x/>"}
    data, kinds, at = to_png(picture((30, 40, 3)), text=text), [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        assert int.from_bytes(data[at + 8 + length : at + 12 + length], "big") == zlib.crc32(body)
        kinds.append(body[:4])
        at += length + 12
    assert kinds == [b"IHDR", b"tEXt", b"iTXt", b"iTXt", b"IDAT", b"IEND"]


def test_png_is_deterministic() -> None:
    assert to_png(picture((9, 9, 3))) == to_png(picture((9, 9, 3)))


def test_png_of_noise_is_smaller_than_pillows() -> None:
    noise = np.random.default_rng(1).normal(20, 8, (200, 200, 3)).clip(0, 255).astype("u1")
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    assert len(to_png(noise)) < stream.tell()


@pytest.mark.parametrize("shape", [(40, 30, 3), (40, 30)], ids=str)
def test_jpeg_is_near_the_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, "u1")
    pixels[:20] = 200
    with Image.open(io.BytesIO(to_jpeg(pixels, xmp="<x>π</x>"))) as image:
        found = np.asarray(image).astype(int)
        assert image.info["xmp"] == "<x>π</x>".encode()
    assert np.abs(found - pixels).max() < 8


def test_jpeg_refuses_a_document_that_fits_no_segment() -> None:
    with pytest.raises(ValueError, match="XMP data is too long"):
        to_jpeg(picture((8, 8)), xmp="x" * 70_000)
