"""Pictures of a row: paint them in their final orientation, add sky coordinates, encode them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from soda_service.cutouts.geometry import Place
from soda_service.cutouts.naming import WantedFile
from soda_service.engine.colour.methods import METHODS, Method, grey_method
from soda_service.engine.fits.image import PixelBox
from soda_service.engine.wcs.grid import Grid
from soda_service.engine.wcs.orientation import Orientation, orientation
from soda_service.engine.wcs.placement import Placement, placement
from soda_service.errors import Fault, OptionsError
from soda_service.formats.avm import wcs_text, xmp_packet
from soda_service.formats.format import Encoding, SkyText
from soda_service.formats.jpeg import to_jpeg
from soda_service.formats.raster import thumbnail
from soda_service.results.rows import PlannedRow
from soda_service.sky.release import Release

__all__ = ["Painter", "PictureSettings"]

_THUMBNAIL_QUALITY = 80

_GREY_THUMBNAIL_PX = 128
"""A band is subsampled to twice a thumbnail's size before it is measured and painted."""

_Planes = Sequence[NDArray[np.floating]]
_Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """How pictures are made where the request does not specify it."""

    methods: Mapping[str, object] = field(default_factory=dict)
    """By name of a picture method, a value of its `operator_settings`; without one, its defaults
    apply."""

    encoding: Encoding = field(default_factory=Encoding)
    thumbnails_rows_max: int = 0
    """Number of rows, the first of a job, that get thumbnails."""

    def of(self, method: Method) -> object:
        """Return the operator's settings of a method; None if it has none."""
        if method.operator_settings is None:
            return None
        return self.methods.get(method.name) or method.operator_settings()

    def key(self) -> tuple[object, ...]:
        """Return a key that is equal for settings that give pictures the same bytes."""
        methods = [(name, repr(self.of(method))) for name, method in METHODS.items()]
        return (*methods, self.encoding.quality, self.encoding.deflate.name)


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """How a box is oriented as a picture, and the place of the picture on the sky."""

    grid: Grid
    box: PixelBox
    turn: Orientation
    placement: Placement


class Painter:
    """Makes the pictures of rows of one release."""

    def __init__(self, release: Release, settings: PictureSettings) -> None:
        self._release = release
        self._settings = settings
        self._frame: _Frame | None = None

    def painted(self, wanted: WantedFile, planes: _Planes, red: Place, row: PlannedRow) -> _Picture:
        """Paint a picture.

        Parameters
        ----------
        planes
            The bands of `wanted`, in the shape of the red band's box and FITS row order.
        red
            The place of the first band; the picture shows its box.

        Returns
        -------
        ndarray, shape (ny, nx, 3) or (ny, nx), uint8
            Row 0 is at the top. North is up and east left, as closely as flips and quarter turns
            allow.
        """
        turn = self._frame_of(red, row.options.edge).turn
        ny, nx = planes[0].shape
        channels = () if len(planes) == 1 else (len(planes),)
        picture = np.empty((*turn.turned_shape((ny, nx)), *channels), np.uint8)
        method = METHODS.get(wanted.kind) or grey_method()
        values = dict(row.options.values)  # a setting may be newer than the plan
        named = {each.name: values.get(each.name, each.default) for each in method.settings}
        method.paint(planes, named, self._settings.of(method), turn.undone(picture))
        return picture

    def encoded(self, picture: _Picture, wanted: WantedFile, red: Place, row: PlannedRow) -> bytes:
        """Return a picture's file, with its sky coordinates.

        Raises
        ------
        OptionsError
            When the format cannot hold a picture of this size.
        """
        place = self._frame_of(red, row.options.edge).placement
        xmp = xmp_packet(
            place,
            title=row.name,
            credit=self._release.acknowledgement,
            bands=tuple(map(self._release.label, wanted.bands)),
        )
        encode = wanted.format.encode
        assert encode is not None  # noqa: S101 - it is a picture format
        most, (ny, nx) = wanted.format.side_max, picture.shape[:2]
        if most is not None and max(ny, nx) > most:
            message = f"{nx} x {ny} pixels; {wanted.format.title} has at most {most} along a side"
            raise OptionsError((Fault(message),))
        return encode(picture, SkyText(xmp, wcs_text(place)), self._settings.encoding)

    def has_thumbnails(self, row: PlannedRow) -> bool:
        """Return whether a row's pictures are shown in the gallery."""
        return row.number <= self._settings.thumbnails_rows_max

    def thumbnail(self, picture: _Picture) -> bytes:
        """Return a small JPEG of a picture."""
        return to_jpeg(thumbnail(picture), quality=_THUMBNAIL_QUALITY)

    def grey_thumbnail(self, plane: NDArray[np.floating], place: Place, row: PlannedRow) -> bytes:
        """Return a small JPEG of a band that is in no picture."""
        step = max(1, max(plane.shape) // _GREY_THUMBNAIL_PX)
        thin = plane[::step, ::step]
        grey, method = np.empty(thin.shape, np.uint8), grey_method()
        settings = {each.name: each.default for each in method.settings}
        method.paint([thin], settings, self._settings.of(method), grey)
        turn = self._frame_of(place, row.options.edge).turn
        return self.thumbnail(turn.applied(grey))

    def _frame_of(self, red: Place, edge: str) -> _Frame:
        """Return how a box is shown; cached, since pictures of a row mostly share it."""
        grid, box, last = red.handle.grid, red.output_box(edge), self._frame
        if last is None or last.box != box or last.grid != grid:
            turn = orientation(grid, box)
            header = red.handle.planes[0].header
            last = _Frame(grid, box, turn, placement(grid, header, box, turn))
            self._frame = last
        return last
