"""What is known of the sky: releases with their tiles, catalogues of objects, tiles' pixels."""

from dataclasses import dataclass

from soda_service.tiles.catalogue import ObjectCatalogue
from soda_service.tiles.reader import TileReader
from soda_service.tiles.releases import Releases

__all__ = ["Sky"]


@dataclass(frozen=True, slots=True)
class Sky:
    """The data that cutouts are made from; built once in each process."""

    releases: Releases
    catalogue: ObjectCatalogue
    reader: TileReader
