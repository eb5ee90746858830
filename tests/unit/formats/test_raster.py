import io
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from soda_service.formats import png
from soda_service.formats.deflate import ZLIB, Deflate, fastest_deflate
from soda_service.formats.jpeg import to_jpeg
from soda_service.formats.png import to_png
from soda_service.formats.raster import THUMBNAIL_PX, thumbnail

has_isal = pytest.mark.skipif(fastest_deflate() is ZLIB, reason="isal is absent")
by_each_deflate = pytest.mark.parametrize(
    "deflate",
    [pytest.param(fastest_deflate(), marks=has_isal, id="isal"), pytest.param(ZLIB, id="zlib")],
)


def picture(shape: tuple[int, ...], seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read a PNG file's chunks, whose sums must be right."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        assert int.from_bytes(data[at + 8 + length : at + 12 + length], "big") == zlib.crc32(body)
        yield body[:4], body[4:]
        at += length + 12


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG file as the standard says, for what `to_png` uses of it."""
    found = list(chunks(data))
    head = found[0][1]
    nx, ny = (int.from_bytes(head[n : n + 4], "big") for n in (0, 4))
    assert head[8:] in (b"\x08\x00\x00\x00\x00", b"\x08\x02\x00\x00\x00")
    planes = 3 if head[9] == 2 else 1
    stream = zlib.decompress(b"".join(body for kind, body in found if kind == b"IDAT"))
    lines = np.frombuffer(stream, np.uint8).reshape(ny, 1 + nx * planes)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape((ny, nx, 3) if planes == 3 else (ny, nx))


# What is no picture


@pytest.mark.parametrize("encode", [to_png, to_jpeg, thumbnail])
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


@pytest.mark.parametrize("keyword", ["", "x" * 80, "tab\tbed", "Größe", " a", "a ", "a  b"])
def test_png_keywords_are_checked(keyword: str) -> None:
    with pytest.raises(ValueError, match="a PNG keyword is 1 to 79 printable characters"):
        to_png(picture((2, 2)), text={keyword: "x"})


def test_png_refuses_text_with_zeros() -> None:
    with pytest.raises(ValueError, match="a PNG text has no zeros, found one in 'Title'"):
        to_png(picture((2, 2)), text={"Title": "a\0b"})


@pytest.mark.parametrize("shape", [(1, 65_501), (65_501, 1, 3)], ids=str)
def test_jpeg_refuses_what_is_longer_than_a_jpeg_can_be(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at most 65500 pixels along a side"):
        to_jpeg(np.zeros(shape, "u1"))


def test_jpeg_refuses_a_document_that_fits_no_segment() -> None:
    assert b"x" * 65_504 in to_jpeg(picture((8, 8)), xmp="x" * 65_504)
    with pytest.raises(ValueError, match="XMP data is too long"):
        to_jpeg(picture((8, 8)), xmp="x" * 65_505)


def test_jpeg_refuses_a_comment_that_fits_no_segment() -> None:
    with pytest.raises(ValueError, match="a JPEG comment has at most 65533 bytes"):
        to_jpeg(picture((8, 8)), comment="\N{GREEK SMALL LETTER PI}" * 32_767)


# PNG


@pytest.mark.parametrize("shape", [(7, 5, 3), (7, 5), (1, 1, 3), (1, 1), (228, 228, 3)], ids=str)
@by_each_deflate
def test_png_gives_the_pixels_back(deflate: Deflate, shape: tuple[int, ...]) -> None:
    pixels = picture(shape)
    data = to_png(pixels, deflate=deflate)
    np.testing.assert_array_equal(pixels_of(data), pixels)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.mode == ("L" if len(shape) == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(image), pixels)


@st.composite
def views(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Pictures of any shape, thinned out, flipped, transposed or with strides of zero."""
    steps = draw(st.tuples(*[st.sampled_from([-3, -1, 1, 2])] * 2))
    ny, nx = (draw(st.integers(1, 40)) * abs(step) for step in steps)
    pixels = picture(draw(st.sampled_from([(ny, nx), (ny, nx, 3)])))
    pixels %= draw(st.sampled_from([1, 2, 255]))
    pixels = pixels[:: steps[0], :: steps[1]]
    if draw(st.booleans()):
        pixels = pixels.swapaxes(0, 1)
    return np.broadcast_to(pixels[:1], pixels.shape) if draw(st.booleans()) else pixels


@by_each_deflate
@given(pixels=views())
@settings(max_examples=60, deadline=None)
def test_png_of_any_shape_and_strides(deflate: Deflate, pixels: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(pixels_of(to_png(pixels, deflate=deflate)), pixels)


@by_each_deflate
def test_png_of_many_pixels_has_many_chunks(
    deflate: Deflate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "_CHUNK_MAX", 1000)
    pixels = picture((30, 40, 3))
    data = to_png(pixels, deflate=deflate)
    lengths = [len(body) for kind, body in chunks(data) if kind == b"IDAT"]
    assert len(lengths) > 3
    assert set(lengths[:-1]) == {1000}
    assert 0 < lengths[-1] <= 1000
    np.testing.assert_array_equal(pixels_of(data), pixels)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


@by_each_deflate
@pytest.mark.parametrize("shape", [(30, 40, 3), (30, 40), (1, 1)], ids=str)
def test_png_is_valid_by_pngcheck(deflate: Deflate, tmp_path: Path, shape: tuple[int, ...]) -> None:
    program = shutil.which("pngcheck")
    if program is None:
        pytest.skip("pngcheck is absent")
    texts = {"XML:com.adobe.xmp": "<x>π</x>", "Comment": "NAXIS   = 2\nEND", "Title": "Größe"}
    path = tmp_path / "picture.png"
    path.write_bytes(to_png(picture(shape), text=texts, deflate=deflate))
    told = subprocess.run([program, "-v", path], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert "No errors detected" in told.stdout


def test_png_text_is_unicode_and_before_the_pixels() -> None:
    text = {"XML:com.adobe.xmp": "<x>Größe π</x>", "Title": "a" * 5000}
    data = to_png(picture((3, 3)), text=text)
    with Image.open(io.BytesIO(data)) as image:
        assert image.text == text
    assert data.index(b"iTXt") < data.index(b"IDAT")


@by_each_deflate
def test_png_text_is_plain_where_it_can_be(deflate: Deflate) -> None:
    text = {"a b": "b\nc", "c": "\N{GREEK SMALL LETTER PI}", "XML:com.adobe.xmp": "<x/>", "d": ""}
    found = list(chunks(to_png(picture((30, 40, 3)), text=text, deflate=deflate)))
    assert found[1:-2] == [
        (b"tEXt", b"a b\0b\nc"),
        (b"iTXt", b"c\0\0\0\0\0\xcf\x80"),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"),
        (b"tEXt", b"d\0"),
    ]
    assert [kind for kind, _ in (found[0], *found[-2:])] == [b"IHDR", b"IDAT", b"IEND"]


@by_each_deflate
def test_png_is_deterministic(deflate: Deflate) -> None:
    one, other = (to_png(picture((9, 9, 3)), deflate=deflate) for _ in range(2))
    assert one == other


@by_each_deflate
def test_png_of_noise_is_smaller_than_pillows(deflate: Deflate) -> None:
    noise = np.random.default_rng(1).normal(20, 8, (200, 200, 3)).clip(0, 255).astype("u1")
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    assert len(to_png(noise, deflate=deflate)) < stream.tell()


# JPEG


@pytest.mark.parametrize("shape", [(40, 30, 3), (40, 30)], ids=str)
def test_jpeg_is_near_the_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, "u1")
    pixels[:20] = 200
    with Image.open(io.BytesIO(to_jpeg(pixels, xmp="<x>π</x>"))) as image:
        found = np.asarray(image).astype(int)
        assert image.info["xmp"] == "<x>π</x>".encode()
        assert image.mode == ("L" if len(shape) == 2 else "RGB")
    assert np.abs(found - pixels).max() < 8


def test_jpeg_of_a_turned_view() -> None:
    pixels = picture((6, 9, 3))
    turned = pixels.swapaxes(0, 1)[::-1, ::-1]
    assert to_jpeg(turned) == to_jpeg(np.ascontiguousarray(turned))


def test_jpeg_has_colour_in_full_resolution() -> None:
    pixels = np.zeros((16, 16, 3), "u1")
    pixels[::2, ::2] = 255, 0, 0
    with Image.open(io.BytesIO(to_jpeg(pixels, quality=100))) as image:
        found = np.asarray(image).astype(int)
    assert np.abs(found - pixels).max() < 8


def test_jpeg_quality_is_the_callers() -> None:
    pixels = picture((64, 64, 3))
    sizes = [len(to_jpeg(pixels, quality=quality)) for quality in (50, 80, 92, 100)]
    assert sizes == sorted(set(sizes))
    assert len(to_jpeg(pixels)) == sizes[2]


@pytest.mark.parametrize("length", [1, 65_533])
def test_jpeg_has_its_comment_whole(length: int) -> None:
    with Image.open(io.BytesIO(to_jpeg(picture((8, 8)), comment="x" * length))) as image:
        assert image.info["comment"] == b"x" * length


def test_jpeg_without_texts_has_neither_segment() -> None:
    with Image.open(io.BytesIO(to_jpeg(picture((8, 8, 3))))) as image:
        assert not {"xmp", "comment"} & set(image.info)


# Thumbnails


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((228, 228, 3), (64, 64, 3)),
        ((640, 320, 3), (64, 32, 3)),
        ((320, 640), (32, 64)),
        ((10, 5000, 3), (1, 64, 3)),
        ((5000, 1), (64, 1)),
        ((65, 64), (64, 63)),
    ],
    ids=str,
)
def test_thumbnail_keeps_the_sides_in_proportion(
    shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    small = thumbnail(picture(shape))
    assert (small.shape, small.dtype) == (expected, np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (64, 64, 3), (7, 64, 3), (30, 20)], ids=str)
def test_thumbnail_enlarges_nothing(shape: tuple[int, ...]) -> None:
    pixels = picture(shape)
    np.testing.assert_array_equal(thumbnail(pixels), pixels)


@pytest.mark.parametrize("shape", [(256, 128, 3), (640, 640), (2560, 320, 3)], ids=str)
def test_thumbnail_is_of_averages(shape: tuple[int, ...]) -> None:
    pixels, step = picture(shape), max(shape) // THUMBNAIL_PX
    blocks = pixels.reshape(shape[0] // step, step, -1, step, *shape[2:]).astype(float)
    expected = blocks.mean((1, 3))
    assert np.abs(thumbnail(pixels) - expected).max() <= 1.5


def test_thumbnail_of_a_turned_view() -> None:
    turned = picture((300, 200, 3)).swapaxes(0, 1)[::-1]
    np.testing.assert_array_equal(thumbnail(turned), thumbnail(turned.copy()))
