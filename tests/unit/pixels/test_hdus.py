"""Where HDUs lie, and files that tell absurd things of themselves."""

import tracemalloc
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from soda_service.engine.fits.image import PixelBox
from soda_service.errors import CutoutError, TileUnreadable
from soda_service.pixels.failures import failures_explained
from soda_service.pixels.fitsfile import open_fits
from soda_service.pixels.hdus import HDU, walk
from soda_service.pixels.opening import open_source

Cards = list[tuple[str, object]]

PRIMARY: Cards = [("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0)]
IMAGE: Cards = [
    ("XTENSION", "IMAGE"),
    ("BITPIX", 16),
    ("NAXIS", 2),
    ("NAXIS1", 30),
    ("NAXIS2", 40),
    ("PCOUNT", 0),
    ("GCOUNT", 1),
]


def header(cards: Cards) -> bytes:
    text = "".join(str(fits.Card(*card)) for card in cards) + "END".ljust(80)
    return text.encode().ljust(-(-len(text) // 2880) * 2880)


def changed(cards: Cards, **values: object) -> Cards:
    """Give cards with other values; None leaves one out."""
    both = {**dict(cards), **values}
    return [(keyword, value) for keyword, value in both.items() if value is not None]


def walked(path: Path, content: bytes) -> list[HDU]:
    path.write_bytes(content)
    with closing(open_source(str(path))) as source:
        return walk(source)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.fits"


IMAGE_BYTES = header(IMAGE) + bytes(2880)


def test_places(path: Path) -> None:
    found = walked(path, header(PRIMARY) + IMAGE_BYTES + IMAGE_BYTES)
    places = [(hdu.number, hdu.start, hdu.size_bytes, hdu.end) for hdu in found]
    assert places == [(0, 2880, 0, 2880), (1, 5760, 2400, 8160), (2, 11520, 2400, 13920)]


def test_places_are_those_of_astropy(path: Path) -> None:
    groups = fits.GroupData(
        np.ones((4, 12, 13), "f4"), bitpix=-32, parnames=["U"], pardata=[[1.0] * 4]
    )
    table = fits.BinTableHDU.from_columns([fits.Column("x", "PJ()", array=[[1, 2], [3]])])
    cube = fits.ImageHDU(np.zeros((2, 3, 5, 7)))
    many = fits.ImageHDU(np.zeros((50, 60)))
    many.header.extend([("HISTORY", f"line {n}") for n in range(900)])
    long = [many.copy() for _ in range(3)]
    fits.HDUList([fits.GroupsHDU(groups), table, cube, *long, fits.ImageHDU()]).writeto(path)
    with closing(open_source(str(path))) as source, fits.open(path) as expected:
        found = [(hdu.start, hdu.size_bytes) for hdu in walk(source)]
        assert found == [(hdu.fileinfo()["datLoc"], hdu.size) for hdu in expected]


@pytest.mark.parametrize(
    "rest", [b"", b"\0" * 2880, b" " * 100, b"XTENS", b"special records" * 700], ids=len
)
def test_what_follows_the_last_hdu_is_passed_over(path: Path, rest: bytes) -> None:
    assert len(walked(path, header(PRIMARY) + IMAGE_BYTES + rest)) == 2


ABSURD: list[tuple[dict[str, object], str]] = [
    ({"BITPIX": 17}, "damaged: BITPIX of HDU 1 is 17"),
    ({"BITPIX": "16"}, "damaged: BITPIX is '16', not an integer"),
    ({"BITPIX": True}, "damaged: BITPIX is True, not an integer"),
    ({"BITPIX": None}, "damaged: BITPIX is None, not an integer"),
    ({"NAXIS": -1}, "damaged: NAXIS is -1; 0 to 999 are allowed"),
    ({"NAXIS": 10**9}, "damaged: NAXIS is 1000000000; 0 to 999 are allowed"),
    ({"NAXIS": 3}, "damaged: NAXIS3 is None, not an integer"),
    ({"NAXIS1": -30}, "damaged: NAXIS1 is -30"),
    ({"NAXIS1": 3.5}, "damaged: NAXIS1 is 3.5, not an integer"),
    ({"NAXIS1": 2**63}, "damaged: NAXIS1 is 9223372036854775808"),
    ({"NAXIS1": 2**62, "NAXIS2": 2**62}, "damaged: PCOUNT and GCOUNT of HDU 1: 0, 1"),
    (
        {"NAXIS1": 10**6, "NAXIS2": 10**6},
        "truncated: HDU 1 ends at byte 2000000005760, the file at",
    ),
    ({"PCOUNT": -7}, "damaged: PCOUNT and GCOUNT of HDU 1: -7, 1"),
    ({"PCOUNT": 10**15}, "truncated: HDU 1 ends at byte 2000000000008160, the file at"),
    ({"GCOUNT": -1}, "damaged: PCOUNT and GCOUNT of HDU 1: 0, -1"),
    ({"GCOUNT": 99}, "truncated: HDU 1 ends at byte 243360, the file at"),
]


@pytest.mark.parametrize(("values", "message"), ABSURD, ids=str)
def test_absurd_sizes(path: Path, values: dict[str, object], message: str) -> None:
    content = header(PRIMARY) + header(changed(IMAGE, **values)) + bytes(2880)
    with pytest.raises(TileUnreadable, match=f"^{message}"):
        walked(path, content)


def test_a_header_without_end(path: Path) -> None:
    content = header(PRIMARY) + header(IMAGE).replace(b"END".ljust(80), b" " * 80)
    with pytest.raises(TileUnreadable, match=r"^truncated: the file ends at byte 5760, in the hea"):
        walked(path, content)
    comments = b"COMMENT".ljust(80) * 36 * 1001
    with pytest.raises(TileUnreadable, match=r"^damaged: the header of HDU 1 has no END in 1000 b"):
        walked(path, content + comments)


def test_sizes_are_not_believed(path: Path) -> None:
    """Nothing is allocated by what a header says before it is held against the file."""
    table: Cards = [
        ("XTENSION", "BINTABLE"),
        *changed(IMAGE, BITPIX=8, NAXIS1=8, NAXIS2=10)[1:],
        ("TFIELDS", 1),
        ("TTYPE1", "COMPRESSED_DATA"),
        ("TFORM1", "1PB(9)"),
        ("ZIMAGE", True),
        ("ZBITPIX", 32),
        ("ZNAXIS", 2),
        ("ZNAXIS1", 2**31 - 1),
        ("ZNAXIS2", 2**31 - 1),
        ("ZCMPTYPE", "RICE_1"),
    ]
    wholes = changed(table, ZTILE1=2**31 - 1, ZTILE2=2**31 - 1)
    path.write_bytes(header(PRIMARY) + header(table) + bytes(2880) + header(wholes) + bytes(2880))
    tracemalloc.start()
    with closing(open_fits(str(path))) as file:
        box = PixelBox(0, 1, 0, 1)
        with pytest.raises(TileUnreadable, match="HDU 1 has 10 compressed rows of 2147483647"):
            file.images[0].read(box)
        with pytest.raises(
            TileUnreadable, match=r"compressed blocks of \d+ bytes; at most 1073741824"
        ):
            file.images[1].read(box)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6


# Any damage at all


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give a file with images of several kinds."""
    rng = np.random.default_rng(2)
    data = rng.normal(20, 5, (20, 90)).astype("f4")
    data[3] = 7.0
    hdus = [
        fits.PrimaryHDU((data * 10).astype("i2")),
        fits.CompImageHDU(data, quantize_method=2, tile_shape=(1, 90)),
        fits.CompImageHDU((data > 25).astype("i4"), compression_type="PLIO_1"),
        fits.CompImageHDU(data.astype("i4"), compression_type="GZIP_2"),
    ]
    path = tmp_path_factory.mktemp("sound") / "a.fits"
    fits.HDUList(hdus).writeto(path)
    return path.read_bytes()


def read_everything(path: Path) -> None:
    with closing(open_fits(str(path))) as file:
        for hdu in file.images:
            ny, nx = hdu.shape[-2:]
            box = PixelBox(0, min(ny, 100), 0, min(nx, 100))
            if len(hdu.shape) == 2:
                hdu.announce(box)
                hdu.read(box)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.filterwarnings("ignore")  # of astropy, for what is damaged
def test_damage_is_an_error_or_other_pixels(path: Path, sound: bytes, seed: int) -> None:
    """Bytes anywhere, or digits in headers, or the file's end: never another exception."""
    rng = np.random.default_rng(seed)
    content = bytearray(sound)
    if seed % 3 == 0:
        for place in rng.integers(0, len(content), 30).tolist():
            content[place] ^= 1 << int(rng.integers(8))
    elif seed % 3 == 1:
        digits = [n for n, byte in enumerate(content[:40_000]) if byte in b"0123456789"]
        for place in rng.choice(digits, 4).tolist():
            content[place] = int(rng.choice(list(b"0123456789.-T'")))
    else:
        del content[int(rng.integers(len(content))) :]
    path.write_bytes(content)
    with suppress(CutoutError), failures_explained(path.name):
        read_everything(path)
