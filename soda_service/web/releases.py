"""`/releases`: the releases to cut from; `/tiles/...`: a whole tile (DataLink `#this`)."""

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request, send_file

from soda_service.cutouts.holdings import Holdings
from soda_service.errors import SourceUnavailable, TileUnreadable, UnknownTile
from soda_service.formats import FITS
from soda_service.pixels.paths import locate
from soda_service.request.options import default_options
from soda_service.results.columns import option_cells
from soda_service.results.tree import media_type_of
from soda_service.sky.release import Band, Release
from soda_service.web.services import Services
from uws.errors import AuthorizationError
from uws.http.conditional import answer_conditionally

__all__ = ["create_releases", "release_facts"]


def release_facts(release: Release, holdings: Holdings) -> dict[str, Any]:
    """Return the bands, limits and default options of a release, as plain JSON."""
    return {
        "name": release.name,
        "title": release.title,
        "database": release.database,
        "bands": [_band_facts(band) for band in release.bands],
        "defaults": option_cells(default_options(release), release),
        "limits": {
            "size_min_arcmin": release.size_min_arcmin,
            "size_max_arcmin": release.size_max_arcmin,
        },
        "pixel_scale_arcsec": release.pixel_scale_arcsec,
        "zero_point_mag": release.zero_point_mag,
        "tiles": len(holdings.releases.index(release))
        if holdings.releases.has_tiles(release)
        else 0,
        "has_catalogue": release.name in holdings.catalogue.releases(),
        "serves_whole_tiles": release.serves_whole_tiles,
        "acknowledgement": release.acknowledgement,
    }


def _band_facts(band: Band) -> dict[str, Any]:
    return {
        "name": band.name,
        "wavelength_min_m": band.wavelength_min_m,
        "wavelength_max_m": band.wavelength_max_m,
    }


def create_releases(services: Services) -> Blueprint:
    """Create the blueprint."""
    holdings, served = services.holdings, services.served
    blueprint = Blueprint("releases", __name__)

    @blueprint.get("/releases")
    def releases() -> Response:
        """List the releases that can be cut from, and name the default one."""
        facts = [release_facts(release, holdings) for release in served.all()]
        return jsonify({"default": served.default_name(), "releases": facts})

    @blueprint.get("/tiles/<release>/<path:tile>/<band>")
    def whole_tile(release: str, tile: str, band: str) -> Response:
        """Return the file of a whole tile; byte ranges are supported."""
        found = holdings.releases.get(release)
        if not found.serves_whole_tiles:
            raise AuthorizationError(f"release {found.name} does not offer whole tiles")
        path = _tile_path(holdings, found, tile, band)
        # A compressed tile is sent unchanged, without a Content-Encoding.
        media_type = media_type_of(path.name)
        if path.name.endswith((".fits.fz", ".fz")):
            media_type = FITS.media_type
        whole = send_file(
            path,
            mimetype=media_type,
            download_name=path.name,
            as_attachment=True,
            conditional=False,
        )
        return answer_conditionally(whole, request)

    return blueprint


def _tile_path(holdings: Holdings, release: Release, tile: str, band: str) -> Path:
    index = holdings.releases.index(release)
    number = index.number(tile)
    if number is None:
        raise UnknownTile(f"release {release.name} has no tile {tile}")
    names = [name for name in release.band_names if name.lower() == band.lower()]
    exact = band if band in release.band_names else (names[0] if names else None)
    if exact is None:
        bands = ", ".join(release.band_names)
        raise UnknownTile(f"release {release.name} has no band {band}; it has {bands}")
    try:
        path = Path(locate(release, index.tile(number), exact, holdings.reader.servers).path)
    except TileUnreadable as error:  # clients do not need the reason
        raise UnknownTile(str(error)) from error
    if path.is_file():
        return path
    if "://" not in release.root and not Path(release.root).is_dir():
        raise SourceUnavailable(
            f"the tiles of release {release.name} are unavailable at the moment"
        )
    raise UnknownTile(f"tile {tile} of release {release.name} has no file in band {exact}")
