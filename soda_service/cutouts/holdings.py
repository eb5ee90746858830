"""What is known of the sky: releases with their tiles, catalogues of objects, tiles' pixels."""

from dataclasses import dataclass

from soda_service.pixels.reader import TileReader
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases

__all__ = ["Sky"]


@dataclass(frozen=True, slots=True)
class Sky:
    """The data that cutouts are made from; built once in each process."""

    releases: Releases
    catalogue: ObjectCatalogue
    reader: TileReader
