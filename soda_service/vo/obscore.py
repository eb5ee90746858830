"""The columns of ObsCore 1.1, which `/sia2` returns."""

from collections.abc import Mapping
from types import MappingProxyType

from soda_service.formats.votable import Field

__all__ = ["COLUMNS", "ID_COLUMN", "SYSTEMS"]

SYSTEMS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "COOSYS": {"ID": "icrs", "system": "ICRS"},
        "TIMESYS": {
            "ID": "utc",
            "timescale": "UTC",
            "refposition": "TOPOCENTER",
            "timeorigin": "MJD-origin",
        },
    }
)
"""Reference system of positions and times."""

_TEXT, _DOUBLE = ("char", "*"), ("double", "")
_INTEGER, _LONG = ("int", ""), ("long", "")

ID_COLUMN = "obs_publisher_did"
"""Also its XML ID, to which the ID of services refers."""


def _column(
    name: str, types: tuple[str, str], unit: str, ucd: str, utype: str, description: str
) -> Field:
    system = {"s_ra": "icrs", "s_dec": "icrs", "s_region": "icrs", "t_min": "utc", "t_max": "utc"}
    return Field(
        name,
        *types,
        unit=unit,
        ucd=ucd,
        utype=f"obscore:{utype}",
        # TOPCAT, Aladin and astropy-based tools recognise STC-S by this value.
        xtype="adql:REGION" if name == "s_region" else "",
        description=description,
        id=name if name == ID_COLUMN else "",
        ref=system.get(name, ""),
    )


_SPACE, _TIME, _SPECTRUM = "Char.SpatialAxis", "Char.TimeAxis", "Char.SpectralAxis"
_POINT = f"{_SPACE}.Coverage.Location.Coord.Position2D.Value2"

# Names, types, units, UCDs and utypes of ObsCore 1.1, tables 5 to 7.
COLUMNS = (
    _column("dataproduct_type", _TEXT, "", "meta.code.class", "ObsDataset.dataProductType",
            "Kind of data"),
    _column("calib_level", _INTEGER, "", "meta.code;obs.calib", "ObsDataset.calibLevel",
            "Calibration level, 0 to 4; 3: joined from calibrated observations"),
    _column("obs_collection", _TEXT, "", "meta.id", "DataID.collection", "Data release"),
    _column("obs_id", _TEXT, "", "meta.id", "DataID.observationID", "Tile"),
    _column("obs_title", _TEXT, "", "meta.title;obs", "DataID.title", "Release, tile and band"),
    _column(ID_COLUMN, _TEXT, "", "meta.ref.ivoid", "Curation.publisherDID",
            "Identifier of the image: ID of a cutout or of its links"),
    _column("access_url", _TEXT, "", "meta.ref.url", "Access.reference",
            "Links of the image: itself, a preview, its cutouts"),
    _column("access_format", _TEXT, "", "meta.code.mime", "Access.format",
            "Media type of what access_url gives"),
    _column("access_estsize", _LONG, "kbyte", "phys.size;meta.file", "Access.size",
            "Size of what access_url gives"),
    _column("target_name", _TEXT, "", "meta.id;src", "Target.name", "Object that was observed"),
    _column("s_ra", _DOUBLE, "deg", "pos.eq.ra", f"{_POINT}.C1", "Centre: right ascension"),
    _column("s_dec", _DOUBLE, "deg", "pos.eq.dec", f"{_POINT}.C2", "Centre: declination"),
    _column("s_fov", _DOUBLE, "deg", "phys.angSize;instr.fov",
            f"{_SPACE}.Coverage.Bounds.Extent.diameter",
            "Diameter of the circle around the image"),
    _column("s_region", _TEXT, "", "pos.outline;obs.field", f"{_SPACE}.Coverage.Support.Area",
            "Outline of the image, STC-S"),
    _column("s_resolution", _DOUBLE, "arcsec", "pos.angResolution",
            f"{_SPACE}.Resolution.Refval.value", "Width of the point spread function"),
    _column("s_xel1", _LONG, "", "meta.number", f"{_SPACE}.numBins1", "Pixels along the x axis"),
    _column("s_xel2", _LONG, "", "meta.number", f"{_SPACE}.numBins2", "Pixels along the y axis"),
    _column("t_min", _DOUBLE, "d", "time.start;obs.exposure",
            f"{_TIME}.Coverage.Bounds.Limits.StartTime", "Begin of the observations, MJD"),
    _column("t_max", _DOUBLE, "d", "time.end;obs.exposure",
            f"{_TIME}.Coverage.Bounds.Limits.StopTime", "End of the observations, MJD"),
    _column("t_exptime", _DOUBLE, "s", "time.duration;obs.exposure",
            f"{_TIME}.Coverage.Support.Extent", "Exposure time"),
    _column("t_resolution", _DOUBLE, "s", "time.resolution", f"{_TIME}.Resolution.Refval.value",
            "Resolution in time"),
    _column("t_xel", _LONG, "", "meta.number", f"{_TIME}.numBins", "Elements along time"),
    _column("em_min", _DOUBLE, "m", "em.wl;stat.min",
            f"{_SPECTRUM}.Coverage.Bounds.Limits.LoLimit", "Shortest wavelength of the band"),
    _column("em_max", _DOUBLE, "m", "em.wl;stat.max",
            f"{_SPECTRUM}.Coverage.Bounds.Limits.HiLimit", "Longest wavelength of the band"),
    _column("em_res_power", _DOUBLE, "", "spect.resolution",
            f"{_SPECTRUM}.Resolution.ResolPower.refVal",
            "Mean wavelength of the band over its width"),
    _column("em_xel", _LONG, "", "meta.number", f"{_SPECTRUM}.numBins",
            "Elements along the spectrum"),
    _column("o_ucd", _TEXT, "", "meta.ucd", "Char.ObservableAxis.ucd", "UCD of the pixels"),
    _column("pol_states", _TEXT, "", "meta.code;phys.polarization",
            "Char.PolarizationAxis.stateList", "States of polarisation"),
    _column("pol_xel", _LONG, "", "meta.number", "Char.PolarizationAxis.numBins",
            "Number of states of polarisation"),
    _column("facility_name", _TEXT, "", "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name",
            "Observatory or telescope"),
    _column("instrument_name", _TEXT, "", "meta.id;instr",
            "Provenance.ObsConfig.Instrument.name", "Instrument"),
)  # fmt: skip
"""The mandatory columns, and obs_title; a cell is empty if the release has no value for it."""
