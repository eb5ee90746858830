"""The position of a picture on the sky as metadata: AVM and FITS cards.

pyavm, WWT and Aladin Lite read AVM 1.2 (Astronomy Visualization Metadata, IVOA note) from an XMP
packet; Aladin reads it from JPEG. It is written as elements, because WWT finds no sequences among
attributes. The frame is always TAN in ICRS, because not all readers support others. The equinox is
a number, because Aladin Lite cannot read `J2000`.

Aladin reads FITS cards as text from a `tEXt` chunk of a PNG with any keyword (also `zTXt`, but not
`iTXt`), and from the comment of a JPEG, which it prefers to AVM. The lines have at most 80
characters and must include NAXISn.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape

from soda_service.engine.fits.header import CARD_CHARS, card_lines
from soda_service.engine.wcs.placement import Placement, TangentWcs
from uws.dali import ILLEGAL_IN_XML

__all__ = ["PNG_WCS", "PNG_XMP", "wcs_text", "xmp_packet"]

PNG_XMP = "XML:com.adobe.xmp"
"""Keyword of the `iTXt` chunk that holds an XMP packet (XMP part 3, section 1.1.5)."""

PNG_WCS = "WCS"
"""Keyword of the `tEXt` chunk that holds FITS cards."""

_COLOURS = {1: ("Grayscale",), 3: ("Red", "Green", "Blue")}

_SKEW_PX = 1e-4
"""Largest error of scales and rotation against the true matrix in the corners, in pixels."""

_TRUSTED_PX = 1.0
"""Largest error of a fitted WCS in pixels; beyond it the quality is `Position`."""

_HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    # WWT reads from <rdf:RDF on, without what is around it: all other prefixes are declared here.
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    '<rdf:Description rdf:about=""'
    ' xmlns:avm="http://www.communicatingastronomy.org/avm/1.0/"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">\n'
    "<avm:MetadataVersion>1.2</avm:MetadataVersion>\n"
    "<avm:Type>Observation</avm:Type>\n"
)
_TAIL = '</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>'

_SIZED = card_lines("SIMPLE", value=True) + card_lines("BITPIX", 8) + card_lines("NAXIS", 2)


def xmp_packet(
    placement: Placement, *, title: str = "", credit: str = "", bands: Sequence[str] = ()
) -> str:
    """Write a picture's AVM as an XMP packet.

    Parameters
    ----------
    placement
        Placement of the picture, from `placement.placement`.
    title, credit
        Any text; characters that XML does not allow become blanks. Omitted if empty.
    bands
        Names of the bands shown as red, green and blue, or of the one shown in grey.

    Returns
    -------
    str
        Equal for equal pictures: it contains no date or URL.

    Raises
    ------
    ValueError
        If the number of bands is not three, one or zero.
    """
    return "".join(
        [
            _HEAD,
            *_spatial(placement),
            *_spectral(bands),
            _localised("dc:title", title),
            _element("photoshop:Credit", _text(credit)) if credit else "",
            # Last, since Aladin Lite reads no more than 20,000 characters.
            *_exact_cards(placement),
            _TAIL,
        ]
    )


def wcs_text(placement: Placement) -> str:
    """Write the exact WCS of a picture as the text of FITS cards, one per line.

    Returns
    -------
    str
        ASCII, without END; astropy reads it by `Header.fromstring` with `sep` a line feed.
    """
    return "\n".join(line.rstrip() for line in _lines(_sized_cards(placement)))


def _sized_cards(placement: Placement) -> str:
    height, width = placement.shape
    size = card_lines("NAXIS1", width) + card_lines("NAXIS2", height)
    return f"{_SIZED}{size}{placement.cards}"


def _lines(cards: str) -> Iterator[str]:
    return (cards[at : at + CARD_CHARS] for at in range(0, len(cards), CARD_CHARS))


def _exact_cards(placement: Placement) -> Iterator[str]:
    """Yield the whole header if the other tags are not exact (AVM 1.2, Spatial.FITSheader)."""
    if placement.tangent is None or placement.tangent.error_px:
        yield _element("avm:Spatial.FITSheader", escape(_sized_cards(placement), quote=False))


def _spatial(placement: Placement) -> Iterator[str]:
    wcs = placement.tangent
    if wcs is None:
        return
    height, width = placement.shape
    scales, rotation_deg, skew_px = _scales_and_rotation(wcs, placement.shape)
    yield _element("avm:Spatial.CoordinateFrame", "ICRS")
    yield _element("avm:Spatial.Equinox", "2000.0")
    yield _sequence("avm:Spatial.ReferenceValue", (wcs.ra_deg, wcs.dec_deg))
    yield _sequence("avm:Spatial.ReferenceDimension", (width, height))
    yield _sequence("avm:Spatial.ReferencePixel", wcs.crpix)
    yield _sequence("avm:Spatial.Scale", scales)
    yield _element("avm:Spatial.Rotation", repr(rotation_deg))
    yield _element("avm:Spatial.CoordsystemProjection", "TAN")
    yield _element("avm:Spatial.Quality", "Full" if wcs.error_px < _TRUSTED_PX else "Position")
    # Deprecated since AVM 1.1, and readers cannot scale it: only used if the others are inexact.
    if skew_px > _SKEW_PX:
        yield _sequence("avm:Spatial.CDMatrix", wcs.cd)


def _scales_and_rotation(
    wcs: TangentWcs, shape: tuple[int, int]
) -> tuple[tuple[float, float], float, float]:
    """Return scales (deg, the first negative), rotation (deg), and their error in pixels.

    They correspond to CDELT and CROTA2 in FITS (AVM 1.2, Spatial.Scale and Spatial.Rotation).
    """
    a, b, c, d = wcs.cd
    along_x, along_y = math.hypot(a, c), math.hypot(b, d)
    rotation = math.atan2(-b - c, d - a)
    sine, cosine = math.sin(rotation), math.cos(rotation)
    off_x = math.hypot(a + along_x * cosine, c + along_x * sine) / along_x
    off_y = math.hypot(b + along_y * sine, d - along_y * cosine) / along_y
    height, width = shape
    x, y = wcs.crpix
    skew_px = off_x * max(abs(x), abs(width - x)) + off_y * max(abs(y), abs(height - y))
    return (-along_x, along_y), math.degrees(rotation) % 360 % 360, skew_px


def _spectral(bands: Sequence[str]) -> Iterator[str]:
    if not bands:
        return
    if len(bands) not in _COLOURS:
        raise ValueError(f"a picture shows three bands or one, not {len(bands)}")
    yield _sequence("avm:Spectral.ColorAssignment", _COLOURS[len(bands)])
    yield _sequence("avm:Spectral.Bandpass", [_text(band) for band in bands])


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>\n"


def _sequence(name: str, values: Sequence[object]) -> str:
    items = "".join([f"<rdf:li>{value}</rdf:li>" for value in values])
    return f"<{name}><rdf:Seq>{items}</rdf:Seq></{name}>\n"


def _localised(name: str, text: str) -> str:
    if not text:
        return ""
    item = f'<rdf:li xml:lang="x-default">{_text(text)}</rdf:li>'
    return f"<{name}><rdf:Alt>{item}</rdf:Alt></{name}>\n"


def _text(text: str) -> str:
    return escape(ILLEGAL_IN_XML.sub(" ", text.replace("\r", " ")), quote=False)
