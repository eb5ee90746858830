"""`/sky`: where the tiles and a job's positions lie, drawn without any outside service."""

import gzip
import hashlib
import json
import threading
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from soda_service.engine.colour.methods import preview_method
from soda_service.formats import picture_formats
from soda_service.pages.security import POLICY
from soda_service.sky.footprints import Footprint, footprint_of, hammer
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Release
from soda_service.web.services import Services
from uws.http.conditional import answer_conditionally

__all__ = ["create_sky"]

_DECIMALS = 4
"""Of corners, deg: 0.36 arcsec, a fraction of a pixel at any zoom that shows a whole tile."""

_CELL = 0.045
"""Side of the squares of the drawing without scripts, in units of the projection: 2.6 deg."""

_ALADIN = "https://aladin.cds.unistra.fr"
_ALADIN_DATA = "https://*.cds.unistra.fr https://*.u-strasbg.fr https://*.cds.unistra.fr:*"
_ALADIN_POLICY = (
    POLICY.replace("script-src 'self'", f"script-src 'self' 'wasm-unsafe-eval' {_ALADIN}")
    .replace("style-src 'self'", f"style-src 'self' 'unsafe-inline' {_ALADIN}")
    .replace("img-src 'self' data: blob:", f"img-src 'self' data: blob: {_ALADIN_DATA}")
    .replace("connect-src 'self'", f"connect-src 'self' {_ALADIN} {_ALADIN_DATA}")
)
"""Of the page that shows Aladin Lite, and of no other: what that program needs."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A footprint as it is sent."""

    content: bytes
    packed: bytes
    tag: str
    facts: dict[str, Any]
    overview: str
    """Path of an SVG drawing."""


class _Drawings:
    """Footprints of indexes, each drawn once."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[TileIndex, _Drawn] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, release: Release, index: TileIndex) -> _Drawn:
        with self._lock:
            drawn = self._known.get(index)
            if drawn is None:
                drawn = self._known[index] = _draw(release, footprint_of(index))
            return drawn


def create_sky(services: Services) -> Blueprint:
    """Make the routes."""
    releases, served = services.holdings.releases, services.served
    blueprint = Blueprint("sky", __name__)
    drawings = _Drawings()

    def draw(name: str) -> _Drawn:
        release = releases.get(name)
        return drawings.of(release, releases.index(release))

    @blueprint.get("/sky")
    def sky() -> str:
        """Show a map of the tiles of a release."""
        shown = served.all()
        default = served.default_name()
        asked = request.args.get("release", "").lower()
        chosen = next((each.name for each in shown if each.name.lower() == asked), default)
        drawn = draw(chosen) if chosen else None
        return render_template(
            "sky.html",
            here="/sky",
            releases=shown,
            chosen=chosen,
            drawn=drawn,
            picture_query=_picture_query(),
        )

    @blueprint.get("/sky/aladin")
    def aladin() -> ResponseReturnValue:
        """Show a sky survey with Aladin Lite, which is loaded from CDS on request."""
        page = render_template("aladin.html", here="/sky", aladin=_ALADIN)
        return page, {"Content-Security-Policy": _ALADIN_POLICY}

    @blueprint.get("/releases/<name>/footprint")
    def footprint(name: str) -> Response:
        """Return names and outlines of the tiles of a release (JSON)."""
        drawn = draw(name)
        is_packed = request.accept_encodings.quality("gzip") > 0
        answer = Response(
            drawn.packed if is_packed else drawn.content, content_type="application/json"
        )
        if is_packed:
            answer.content_encoding = "gzip"
        answer.vary.add("Accept-Encoding")
        answer.set_etag(f"{drawn.tag}{'-gzip' if is_packed else ''}")
        answer.headers["Cache-Control"] = "no-cache"
        return answer_conditionally(answer, request)

    return blueprint


def _picture_query() -> str:
    """Return the parameters that ask for one colour picture."""
    method = preview_method()
    return f"{method.switch}=true&RESPONSEFORMAT={picture_formats()[0].name}"


def _draw(release: Release, footprint: Footprint) -> _Drawn:
    facts = {
        "release": release.name,
        "tiles": len(footprint.names),
        "area_deg2": float(f"{footprint.area_deg2:.6g}"),
        "is_area_shared": footprint.is_area_shared,
    }
    outlines = [np.round(each, _DECIMALS).ravel().tolist() for each in footprint.outlines_deg]
    document = {**facts, "names": footprint.names, "outlines": outlines}
    content = json.dumps(document, separators=(",", ":")).encode()
    tag = hashlib.sha256(content).hexdigest()[:32]
    packed = gzip.compress(content, 6, mtime=0)
    return _Drawn(content, packed, tag, facts, _overview(footprint))


def _overview(footprint: Footprint) -> str:
    """Draw the whole sky: squares where tiles are, as the path of an SVG drawing.

    Tiles larger than a square are sampled along their outlines and in their middle.
    """
    points = [hammer(each[:, 0], each[:, 1]) for each in footprint.outlines_deg]
    if not points:
        return ""
    columns, rows = np.floor(np.concatenate(points) / _CELL).astype(int).T
    filled = sorted(set(zip(rows.tolist(), columns.tolist(), strict=True)))
    strips: list[list[int]] = []  # row, first column, number of columns
    for row, column in filled:
        if strips and strips[-1][0] == row and strips[-1][1] + strips[-1][2] == column:
            strips[-1][2] += 1
        else:
            strips.append([row, column, 1])
    return "".join(
        f"M{column * _CELL:.3f} {-(row + 1) * _CELL:.3f}h{n * _CELL:.3f}v{_CELL}h-{n * _CELL:.3f}z"
        for row, column, n in strips
    )
