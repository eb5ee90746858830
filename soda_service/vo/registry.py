"""Registry records: VOResource 1.1 documents of the service, and of each release.

An operator gives these to a publishing registry, so that clients find the service by its subject
and sky coverage.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from lxml import etree

from soda_service.config.model import ServiceConfig
from soda_service.errors import ConfigError
from soda_service.sky.dataset import dataset_id
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Release
from soda_service.vo.capabilities import NAMES, XSI, Capability, add_capabilities
from soda_service.vo.images import wavelengths_m

__all__ = ["Publishing", "collection_record", "moc_of", "service_record"]

_RI = "http://www.ivoa.net/xml/RegistryInterface/v1.0"
_VR = "http://www.ivoa.net/xml/VOResource/v1.0"

_PLANCK_LIGHT_J_M = 1.98644586e-25
"""Planck's constant times the speed of light: spectral coverage is in joules of photon energy."""

_MOC_ORDER = 6
"""Cells of 0.84 square degrees."""

_UNREGISTERED = "unregistered.invalid"


@dataclass(frozen=True, slots=True)
class Publishing:
    """Values that all records share.

    Raises
    ------
    ConfigError
        If settings that a registry requires are missing; names all of them.
    """

    service: ServiceConfig
    base_url: str
    updated: datetime
    capabilities: tuple[Capability, ...] = ()

    def __post_init__(self) -> None:
        service = self.service
        missing = {
            "service.authority": service.authority != _UNREGISTERED,
            "service.publisher": bool(service.publisher),
            "service.contact": bool(service.contact),
            "service.contact_name": bool(service.contact_name),
            "web.base_url": bool(self.base_url),
        }
        if not all(missing.values()):
            names = ", ".join(name for name, is_set in missing.items() if not is_set)
            raise ConfigError(f"{names}: not set; a registry record needs them")

    @property
    def service_id(self) -> str:
        """Identifier of the service."""
        return f"ivo://{self.service.authority}/cutouts"


def service_record(publishing: Publishing) -> bytes:
    """Return the record of the service: a `vs:CatalogService` with all its capabilities."""
    service = publishing.service
    root = _resource(publishing, "vs:CatalogService", service.title, publishing.service_id)
    content = _content(root, publishing, service.description)
    etree.SubElement(content, "type").text = "Archive"
    etree.SubElement(content, "contentLevel").text = "Research"
    add_capabilities(root, publishing.base_url, publishing.capabilities)
    return _written(root)


def collection_record(publishing: Publishing, release: Release, index: TileIndex) -> bytes:
    """Return the record of a release: a `vs:DataResource`, served by the service.

    Its coverage is that of its tiles, as a MOC of order 6, and that of its bands.
    """
    identifier = dataset_id(publishing.service.authority, release.name)
    root = _resource(publishing, "vs:DataResource", release.title or release.name, identifier)
    bands = ", ".join(release.band_names)
    description = (
        f"Images of {release.title or release.name}: {len(index)} tiles in bands {bands}."
        f" {release.acknowledgement}"
    )
    content = _content(root, publishing, description.strip())
    etree.SubElement(content, "type").text = "Survey"
    etree.SubElement(content, "contentLevel").text = "Research"
    related = etree.SubElement(content, "relationship")
    etree.SubElement(related, "relationshipType").text = "IsServedBy"
    name = {"ivo-id": publishing.service_id}
    etree.SubElement(related, "relatedResource", name).text = publishing.service.title
    _add_coverage(etree.SubElement(root, "coverage"), release, index)
    return _written(root)


def moc_of(index: TileIndex) -> str:
    """Return the MOC (ASCII form) of the sky cells that overlap a release's tiles."""
    from astropy import units
    from astropy_healpix import HEALPix

    healpix = HEALPix(nside=2**_MOC_ORDER, order="nested")
    ra, dec = healpix.healpix_to_lonlat(np.arange(healpix.npix))
    covered = set(np.flatnonzero(index.find(ra.to_value("deg"), dec.to_value("deg")) >= 0).tolist())
    table = index.table
    # Tiles smaller than a cell may contain no cell centre.
    corners = table.corners_deg[np.isfinite(table.corners_deg).all(axis=(1, 2))].reshape(-1, 2)
    places = np.concatenate([corners, np.stack([table.ra_deg, table.dec_deg], axis=-1)])
    cells = healpix.lonlat_to_healpix(*(angles * units.deg for angles in places.T))
    covered.update(np.unique(cells).tolist())
    return f"{_MOC_ORDER}/{' '.join(_ranges(sorted(covered)))}"


def _ranges(numbers: Sequence[int]) -> Iterable[str]:
    """Return numbers as ranges: 1 2 3 7 -> 1-3, 7."""
    edges = np.flatnonzero(np.diff(numbers) != 1) + 1
    for run in np.split(np.array(numbers), edges):
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def _resource(publishing: Publishing, kind: str, title: str, identifier: str) -> etree._Element:
    names: Mapping[str, str] = {"ri": _RI, "vr": _VR, **NAMES}
    root = etree.Element(f"{{{_RI}}}Resource", nsmap=dict(names))
    root.set(f"{{{XSI}}}type", kind)
    when = publishing.updated.strftime("%Y-%m-%dT%H:%M:%SZ")
    for attribute, text in (("created", when), ("updated", when), ("status", "active")):
        root.set(attribute, text)
    etree.SubElement(root, "title").text = title
    etree.SubElement(root, "identifier").text = identifier
    service = publishing.service
    curation = etree.SubElement(root, "curation")
    etree.SubElement(curation, "publisher").text = service.publisher
    creator = etree.SubElement(curation, "creator")
    etree.SubElement(creator, "name").text = service.publisher
    etree.SubElement(curation, "date", role="Updated").text = when[:10]
    contact = etree.SubElement(curation, "contact")
    etree.SubElement(contact, "name").text = service.contact_name
    if "://" not in service.contact:
        etree.SubElement(contact, "email").text = service.contact
    return root


def _content(root: etree._Element, publishing: Publishing, description: str) -> etree._Element:
    service = publishing.service
    content = etree.SubElement(root, "content")
    for subject in filter(None, map(str.strip, service.subjects.split(","))):
        etree.SubElement(content, "subject").text = subject
    etree.SubElement(content, "description").text = description
    etree.SubElement(content, "referenceURL").text = (
        service.reference_url or f"{publishing.base_url}/"
    )
    return content


def _add_coverage(coverage: etree._Element, release: Release, index: TileIndex) -> None:
    etree.SubElement(coverage, "spatial").text = moc_of(index)
    if release.time_mjd:
        etree.SubElement(coverage, "temporal").text = " ".join(map(repr, release.time_mjd))
    for low_m, high_m in filter(None, map(wavelengths_m, release.bands)):
        energies = (_PLANCK_LIGHT_J_M / high_m, _PLANCK_LIGHT_J_M / low_m)
        spectral = " ".join(f"{energy:.6g}" for energy in energies)
        etree.SubElement(coverage, "spectral").text = spectral


def _written(root: etree._Element) -> bytes:
    etree.indent(root)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))
