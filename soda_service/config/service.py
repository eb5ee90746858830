"""What the service says of itself; a section of `soda_service.config`."""

from dataclasses import dataclass

__all__ = ["ServiceConfig"]


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """What the service says of itself."""

    title: str = "Sky cutout service"
    """Name shown on pages and in VO documents."""

    authority: str = "unregistered.invalid"
    """IVOA authority of dataset identifiers: `ivo://{authority}/{release}?{tile}/{band}`; an
    observatory's own, as the IVOA's registry knows it."""

    contact: str = ""
    """Mail address or URL where users find help."""

    contact_name: str = ""
    """Whose address that is, for registry records: a person or a help desk."""

    publisher: str = ""
    """Institution that runs the service, for registry records."""

    description: str = "Cutouts and colour pictures of survey images, at once or as jobs."
    """A few sentences about the service, for registry records."""

    subjects: str = "sky surveys"
    """Words by which it is found in registries, separated by commas; of the Unified Astronomy
    Thesaurus."""

    reference_url: str = ""
    """Page about the service, for registry records; empty: the service's own first page."""
