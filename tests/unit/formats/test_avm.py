"""Readers of pictures find the sky where it is: pyavm, astropy, and whoever parses XML."""

import bz2
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.wcs import WCS
from PIL import Image
from pyavm import AVM

from soda_service.engine.fits.header import TextHeader
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import Grid, sky_grid
from soda_service.engine.wcs.orientation import orientation
from soda_service.engine.wcs.placement import Placement, placement
from soda_service.formats.avm import PNG_WCS, PNG_XMP, wcs_text, xmp_packet
from soda_service.formats.jpeg import to_jpeg
from soda_service.formats.png import to_png
from tests.unit.engine.projections import every_header
from tests.unit.skyimages import REALSKY, tan_header

BOX = PixelBox(12, 70, 5, 90)
TILES = {
    **{
        name: header
        for name, header in every_header().items()
        if name in {"fk5", "galactic", "ra-0", "ra-360", "north-pole", "south-pole", "sip", "tpv"}
    },
    **{f"turned-{angle}": tan_header(angle_deg=angle) for angle in (0, 33, 90, 98, 180, 270)},
    **{
        f"mirrored-{angle}": tan_header(angle_deg=angle, is_mirrored=True)
        for angle in (0, 33, 90, 98, 180, 270)
    },
}
FRAMES = {
    "des-mirrored": "des_sn2006bh/DES_g.fits",
    "legacy-mirrored": "legacy_0860m305/J054358.0-303449.5_legacysurvey-0860m305-image-g.fits.fz",
    "panstarrs": "ps1_sn2006bh/PS1_g.fits",
    "sdss-90-degrees": "sdss_m2/frame-r-002583-2-0136.fits.bz2",
    "sdss-98-degrees": "sdss_ngc6976/reprojected_sdss_r.fits.bz2",
    "twomass": "twomass_gc/gc_2mass_h.fits",
}


def placed(header: Header | TextHeader, box: PixelBox = BOX) -> Placement:
    text = header if isinstance(header, TextHeader) else TextHeader.from_astropy(header)
    grid = sky_grid(text)
    return placement(grid, text, box, orientation(grid, box))


def elements(packet: str) -> dict[str, object]:
    """Read a packet as WWT does, which starts at its RDF: texts and lists by tag."""
    rdf = packet[packet.index("<rdf:RDF") : packet.index("</rdf:RDF>") + len("</rdf:RDF>")]
    description = ET.fromstring(rdf)[0]
    return {
        re.sub(r"\{.*\}", "", element.tag): (
            [item.text for item in element[0]] if len(element) else element.text
        )
        for element in description
    }


def avm_of(packet: str) -> AVM:
    return AVM.from_xml(packet[packet.index("<x:") : packet.rindex("<?")].encode())


def text_wcs(text: str) -> WCS:
    return WCS(Header.fromstring(text, sep="\n"))


def separation_px(wcs: WCS, star: tuple[float, float], grid: Grid, tile: tuple[int, int]) -> float:
    """Give how far a star of a picture (FITS pixels) is on the sky from its pixel in the tile."""
    found = wcs.pixel_to_world(star[0] - 1, star[1] - 1).icrs
    ra, dec = grid.pixel_to_sky(*tile)
    separation = SkyCoord(float(ra), float(dec), unit="deg").separation(found)
    return float(separation.arcsec / min(grid.scales_arcsec))


@pytest.mark.parametrize("bands", [("g", "r"), tuple("ugriz")], ids=["two", "five"])
def test_bands_are_one_or_three(bands: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a picture shows three bands or one, not"):
        xmp_packet(placed(tan_header()), bands=bands)


def test_everything_that_avm_says() -> None:
    packet = xmp_packet(
        placed(tan_header(angle_deg=90.0)), title="DES 1", credit="The DES", bands=("i", "r", "g")
    )
    found = elements(packet)
    scale = 0.263 / 3600
    assert [float(value) for value in found.pop("Spatial.Scale")] == pytest.approx([-scale, scale])
    assert float(found.pop("Spatial.Rotation")) == pytest.approx(0.0, abs=1e-9)
    assert found == {
        "MetadataVersion": "1.2",
        "Type": "Observation",
        "Spatial.CoordinateFrame": "ICRS",
        "Spatial.Equinox": "2000.0",
        "Spatial.ReferenceValue": ["30.0", "-20.0"],
        "Spatial.ReferenceDimension": ["58", "85"],
        "Spatial.ReferencePixel": ["30.5", "45.5"],
        "Spatial.CoordsystemProjection": "TAN",
        "Spatial.Quality": "Full",
        "Spectral.ColorAssignment": ["Red", "Green", "Blue"],
        "Spectral.Bandpass": ["i", "r", "g"],
        "title": ["DES 1"],
        "Credit": "The DES",
    }


def test_grey_picture_and_nothing_else_said() -> None:
    found = elements(xmp_packet(placed(tan_header()), bands=("K<s>",)))
    assert found["Spectral.ColorAssignment"] == ["Grayscale"]
    assert found["Spectral.Bandpass"] == ["K<s>"]
    silent = elements(xmp_packet(placed(tan_header())))
    assert not {"title", "Credit", "Spectral.ColorAssignment", "Spectral.Bandpass"} & set(silent)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a & b < c > d ]]> \"e\" 'f'", None),
        ("Größe π 銀河 \U0001f30c", None),
        ("two\nlines\tand a tab", None),
        ("<!-- ?> <?xpacket end='w'?> </rdf:RDF>", None),
        ("nul\x00 bell\x07 return\r", "nul  bell  return "),
        ("half a pair \ud83c, no character \ufffe", "half a pair  , no character  "),
    ],
    ids=["markup", "unicode", "blanks", "packet", "control", "surrogate"],
)
def test_any_text_is_well_formed(text: str, expected: str | None) -> None:
    packet = xmp_packet(placed(tan_header()), title=text, credit=text)
    document = ET.fromstring(packet[packet.index("<x:") : packet.rindex("<?")].encode())
    assert document.tag == "{adobe:ns:meta/}xmpmeta"
    found = elements(packet)
    assert (found["title"], found["Credit"]) == ([expected or text], expected or text)


def test_packet_is_wrapped() -> None:
    packet = xmp_packet(placed(tan_header()))
    assert packet.startswith('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta')
    assert packet.endswith('</x:xmpmeta>\n<?xpacket end="r"?>')


@pytest.mark.parametrize(
    ("angle_deg", "rotation_deg"), [(33.0, 327.0), (98.0, 352.0), (-98.0, 8.0), (170.0, 10.0)]
)
@pytest.mark.parametrize("is_mirrored", [False, True], ids=["sky-parity", "mirrored"])
def test_what_quarter_turns_leave_is_the_rotation(
    angle_deg: float, rotation_deg: float, is_mirrored: bool
) -> None:
    header = tan_header(angle_deg=angle_deg, is_mirrored=is_mirrored)
    found = elements(xmp_packet(placed(header)))
    sign = -1 if is_mirrored else 1
    assert float(found["Spatial.Rotation"]) == pytest.approx(sign * rotation_deg % 360)
    assert "Spatial.CDMatrix" not in found


def test_skewed_pixels_are_said_by_a_matrix() -> None:
    header = tan_header(CD1_1=-1e-4, CD1_2=2e-6, CD2_1=3e-6, CD2_2=1.1e-4)
    found = elements(xmp_packet(placed(header)))
    assert found["Spatial.CDMatrix"] == ["-0.0001", "2e-06", "3e-06", "0.00011"]
    oblong = tan_header(CD1_1=-1e-4, CD2_2=1.1e-4)
    assert "Spatial.CDMatrix" not in elements(xmp_packet(placed(oblong)))


@pytest.mark.parametrize("name", ["turned-98", "sip", "tpv", "galactic"])
def test_whole_header_is_there_where_tan_is_not_the_whole_truth(name: str) -> None:
    header = TILES[name]
    found = placed(header)
    packet = xmp_packet(found)
    assert ("Spatial.FITSheader" in elements(packet)) == (name != "turned-98")
    for x, y in ((1.0, 1.0), (20.0, 50.0)):
        exact = text_wcs(wcs_text(found)).pixel_to_world(x, y)
        full = avm_of(packet).to_wcs(use_full_header=True).pixel_to_world(x, y)
        assert full.separation(exact).arcsec < 1e-6


def test_picture_that_no_plane_fits_claims_no_full_wcs() -> None:
    whole_sky = tan_header(CTYPE1="RA---AIT", CTYPE2="DEC--AIT", CRVAL2=0.0)
    whole_sky["CD1_1"], whole_sky["CD2_2"] = -3.0, 3.0
    middle = elements(xmp_packet(placed(whole_sky, PixelBox(25, 55, 30, 70))))
    assert middle["Spatial.Quality"] == "Position"
    corner = elements(xmp_packet(placed(whole_sky, PixelBox(0, 9, 0, 9))))
    assert set(corner) == {"MetadataVersion", "Type", "Spatial.FITSheader"}


def test_text_of_a_plain_picture() -> None:
    header = tan_header(CD1_1=1e-4, CD1_2=0.0, CD2_1=0.0, CD2_2=1e-4, CRVAL1=0.25)
    assert wcs_text(placed(header)).splitlines() == [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    2",
        "NAXIS1  =                   85",
        "NAXIS2  =                   58",
        "CTYPE1  = 'RA---TAN'",
        "CTYPE2  = 'DEC--TAN'",
        "CUNIT1  = 'deg     '",
        "CUNIT2  = 'deg     '",
        "RADESYS = 'ICRS    '",
        "CRVAL1  =                 0.25",
        "CRVAL2  =                -20.0",
        "CRPIX1  =                 40.5",
        "CRPIX2  =                 28.5",
        "CD1_1   =              -0.0001",
        "CD1_2   =                  0.0",
        "CD2_1   =                  0.0",
        "CD2_2   =               0.0001",
    ]


@pytest.mark.parametrize("name", TILES)
def test_text_is_ascii_cards_and_all_is_the_same_each_time(name: str) -> None:
    text = wcs_text(placed(TILES[name]))
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    assert text == wcs_text(placed(TILES[name]))
    assert xmp_packet(placed(TILES[name])) == xmp_packet(placed(TILES[name]))


@pytest.mark.parametrize("name", TILES)
def test_star_is_found_in_the_files_of_a_picture(name: str, tmp_path: Path) -> None:
    header = TextHeader.from_astropy(TILES[name])
    grid, star = sky_grid(header), (23, 61)  # x, y in the tile: far from the picture's middle
    image = np.zeros((80, 100), np.uint8)
    image[star[1], star[0]] = 255
    turn = orientation(grid, BOX)
    picture = turn.applied(image[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1])
    found = placement(grid, header, BOX, turn)
    packet = xmp_packet(found, title="a & b", credit="ö")

    png, jpeg = tmp_path / "picture.png", tmp_path / "picture.jpg"
    png.write_bytes(to_png(picture, text={PNG_XMP: packet, PNG_WCS: wcs_text(found)}))
    jpeg.write_bytes(to_jpeg(picture, xmp=packet, comment=wcs_text(found)))
    # A distorted tile's plane is a fit; the rest is exact.
    tolerance_px = 0.5 if name == "sip" else 0.1 if name == "tpv" else 1e-5
    for path in (png, jpeg):
        with Image.open(path) as opened:
            pixels = np.asarray(opened)
        row, column = np.unravel_index(pixels.argmax(), pixels.shape)
        place = float(column + 1), float(len(pixels) - row)  # FITS counts from the bottom left
        off = separation_px(AVM.from_image(str(path)).to_wcs(), place, grid, star)
        assert off < tolerance_px
        with Image.open(path) as opened:
            kept = opened.text[PNG_WCS] if path is png else opened.info["comment"].decode()
        assert separation_px(text_wcs(kept), place, grid, star) < 1e-5
    assert b"tEXtWCS\0SIMPLE  =" in png.read_bytes()  # Aladin reads no other kind


@pytest.mark.skipif(
    not REALSKY.is_dir(), reason="the real survey images are not beside the repository"
)
@pytest.mark.parametrize("name", FRAMES)
def test_real_frames_are_upright_and_in_place(name: str) -> None:
    path = REALSKY / FRAMES[name]
    with (bz2.open if path.suffix == ".bz2" else open)(path, "rb") as stream:
        header = TextHeader.from_bytes(stream.read(2880 * 12))
    height, width = int(header.number("NAXIS2", 0)), int(header.number("NAXIS1", 0))
    box = PixelBox(height // 3, height // 3 + 200, width // 4, width // 4 + 150)
    grid, found = sky_grid(header), placed(header, box)
    turn = orientation(grid, box)
    ys, xs = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
    x, y = (turn.applied(axis)[::-1] for axis in (xs, ys))  # the bottom row first
    avm = avm_of(xmp_packet(found)).to_wcs()
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1), (30, 70)):
        place = float(column % x.shape[1] + 1), float(row % x.shape[0] + 1)
        tile = int(x[row, column]), int(y[row, column])
        # Scales and a rotation may be off by 1e-4 px; beyond that there is a matrix.
        assert separation_px(avm, place, grid, tile) < 1e-4
        assert separation_px(text_wcs(wcs_text(found)), place, grid, tile) < 1e-6
    corner, right, top = (avm.pixel_to_world(*place) for place in ((0, 0), (100, 0), (0, 100)))
    assert 225 < corner.position_angle(right).deg < 315, "west is not right"
    assert not 45 < corner.position_angle(top).deg < 315, "north is not up"
