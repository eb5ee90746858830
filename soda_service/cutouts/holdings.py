"""The data of the service: releases and their tiles, object catalogues, and pixels."""

from dataclasses import dataclass

from soda_service.pixels.reader import TileReader
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases

__all__ = ["Holdings"]


@dataclass(frozen=True, slots=True)
class Holdings:
    """The data that cutouts are made from; built once in each process."""

    releases: Releases
    catalogue: ObjectCatalogue
    reader: TileReader
