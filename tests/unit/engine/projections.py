"""Headers of every projection, distortion, reference system and layout of axes that FITS has."""

from collections.abc import Mapping

from astropy.io.fits import Header

from tests.unit.skyimages import sip_header, tan_header, tpv_header

SHAPE = (80, 100)

PROJECTIONS: Mapping[str, Mapping[str, float]] = {
    "AZP": {"PV2_1": 2.0, "PV2_2": 30.0},
    "SZP": {"PV2_1": 2.0, "PV2_2": 180.0, "PV2_3": 60.0},
    "TAN": {},
    "STG": {},
    "SIN": {"PV2_1": 0.1, "PV2_2": -0.2},
    "NCP": {},
    "ARC": {},
    "ZPN": {"PV2_1": 1.0, "PV2_3": -40.0},
    "ZEA": {},
    "AIR": {"PV2_1": 45.0},
    "CYP": {"PV2_1": 1.0, "PV2_2": 0.7},
    "CEA": {"PV2_1": 0.5},
    "CAR": {},
    "MER": {},
    "COP": {"PV2_1": 45.0, "PV2_2": 25.0},
    "COE": {"PV2_1": 45.0, "PV2_2": 25.0},
    "COD": {"PV2_1": 45.0, "PV2_2": 25.0},
    "COO": {"PV2_1": 45.0, "PV2_2": 25.0},
    "SFL": {},
    "PAR": {},
    "MOL": {},
    "AIT": {},
    "BON": {"PV2_1": 45.0},
    "PCO": {},
    "TSC": {},
    "CSC": {},
    "QSC": {},
    "HPX": {"PV2_1": 4.0, "PV2_2": 3.0},
    "XPH": {},
}
"""wcslib's projections with parameters that they need; FITS WCS paper II and its successors."""

_CONIC = frozenset({"COP", "COE", "COD", "COO"})


def of_projection(code: str) -> Header:
    """Make a header of a projection, turned by 20 degrees, its centre some way off the tile."""
    cards = {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", **PROJECTIONS[code]}
    latitude = 45.0 if code in _CONIC else -60.0 if code != "XPH" else 90.0
    header = tan_header(SHAPE, dec_deg=latitude, scale_arcsec=2.0, angle_deg=20.0)
    header["CRPIX1"], header["CRPIX2"] = 1050.5, -790.25
    header.update(cards)
    return header


def of_layouts() -> dict[str, Header]:
    """Make headers of one projection or two, by what is special in them."""
    linear = {"CDELT1": -2e-4, "CDELT2": 2.5e-4}
    matrix = {"1_1": 0.8, "1_2": -0.6, "2_1": 0.6, "2_2": 0.8}
    first = {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": -20.0, "CRVAL2": 30.0}
    layouts = {
        "crota": tan_header(SHAPE, CROTA2=33.0, **linear),
        "crota-latitude-first": tan_header(SHAPE, CROTA1=33.0, **first, **linear),
        "pc": tan_header(SHAPE, **linear, **{f"PC{key}": matrix[key] for key in matrix}),
        "old-pc": tan_header(
            SHAPE, **linear, **{f"PC00{key[0]}00{key[2]}": matrix[key] for key in matrix}
        ),
    }
    for header in layouts.values():
        del header["CD?_?"]
    return {
        **layouts,
        "cd-and-cdelt": tan_header(SHAPE, CDELT1=7.0, CDELT2=7.0),
        "mirrored": tan_header(SHAPE, is_mirrored=True, angle_deg=70.0),
        "latitude-first": tan_header(SHAPE, **first),
        "arcsec": tan_header(
            SHAPE, CUNIT1="arcsec", CUNIT2="arcsec", CRVAL1=108000.0, CRVAL2=-72000.0, CD1_1=-0.3,
            CD1_2=0.0, CD2_1=0.0, CD2_2=0.3,
        ),
        "pole-turned": tan_header(SHAPE, LONPOLE=120.0),
        "sip": sip_header(SHAPE),
        "tpv": tpv_header(SHAPE),
        "scamp": _scamp(),
        "tnx": _iraf("TNX"),
        "zpx": _iraf("ZPX"),
        "cube": _cube(),
    }  # fmt: skip


def of_systems() -> dict[str, Header]:
    """Make headers in every reference system that positions are converted to."""
    cards: Mapping[str, Mapping[str, object]] = {
        "icrs-with-equinox": {"RADESYS": "ICRS", "EQUINOX": 2000.0},
        "fk5": {"RADESYS": "FK5"},
        "fk5-1975": {"RADESYS": "FK5", "EQUINOX": 1975.0},
        "fk4": {"RADESYS": "FK4", "EQUINOX": 1950.0},
        "fk4-no-e": {"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0},
        "galactic": {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
        "galactic-car": {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRVAL2": 0.0},
        "supergalactic": {"CTYPE1": "SLON-TAN", "CTYPE2": "SLAT-TAN"},
        "ecliptic": {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN", "EQUINOX": 2000.0},
    }
    return {name: tan_header(SHAPE, **own) for name, own in cards.items()}


def of_places() -> dict[str, Header]:
    """Make plain TAN headers of places where angles are awkward."""
    return {
        "dec-60": tan_header(SHAPE, ra_deg=20.0, dec_deg=-60.0),
        "ra-0": tan_header(SHAPE, ra_deg=0.0),
        "ra-360": tan_header(SHAPE, ra_deg=360.0 - 1e-5),
        "ra-negative": tan_header(SHAPE, ra_deg=-30.0),
        "north-pole": tan_header(SHAPE, dec_deg=90.0),
        "south-pole": tan_header(SHAPE, dec_deg=-90.0),
        "near-the-pole": tan_header(SHAPE, dec_deg=89.9999),
        "far-reference": tan_header(SHAPE, CRPIX1=-20355.5, CRPIX2=32575.25),
    }


def every_header() -> dict[str, Header]:
    """Make one header of each kind, with numbers as a file holds them."""
    projections = {code: of_projection(code) for code in PROJECTIONS}
    headers = {**projections, **of_layouts(), **of_systems(), **of_places()}
    return {name: Header.fromstring(header.tostring()) for name, header in headers.items()}


def _scamp() -> Header:
    """TPV as SCAMP wrote it before it had a name."""
    header = tpv_header(SHAPE)
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    return header


def _iraf(code: str) -> Header:
    """IRAF's distorted projections: a polynomial of the projected coordinates, as text."""
    header = tan_header(SHAPE, CTYPE1=f"RA---{code}", CTYPE2=f"DEC--{code}")
    start = "3. 3. 3. 2. -0.01 0.01 -0.01 0.01"
    header["WAT0_001"] = "system=image"
    for axis, kind in ((1, "ra"), (2, "dec")):
        projection = f"projp1=1. projp3={-40.0 * axis} " if code == "ZPX" else ""
        numbers = f"{start} 1e-5 2e-3 0.3 -1e-3 0.2 -0.1"
        text = f'wtype={code.lower()} axtype={kind} {projection}lngcor = "{numbers} "'
        text = text if axis == 1 else text.replace("lngcor", "latcor")
        for part in range(0, len(text), 68):
            header[f"WAT{axis}_{part // 68 + 1:03d}"] = text[part : part + 68]
    return header


def _cube() -> Header:
    """Make the header of a cube of seven channels."""
    header = tan_header(SHAPE, angle_deg=10.0)
    header["NAXIS"] = 3
    header.insert("NAXIS2", ("NAXIS3", 7), after=True)
    header.update({"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CD3_3": 1e6})
    return header
