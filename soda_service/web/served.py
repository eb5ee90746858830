"""The releases that the service offers: those with tiles, valid defaults and a readable table."""

import logging
from collections.abc import Mapping

from soda_service.errors import ConfigError, UnknownRelease
from soda_service.request.options import default_options
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases

__all__ = ["ServedReleases"]

_log = logging.getLogger(__name__)


class ServedReleases:
    """Checks the releases on every call, and logs each problem once.

    Parameters
    ----------
    releases
        All configured releases.
    """

    def __init__(self, releases: Releases) -> None:
        self._releases = releases
        self._logged: set[str] = set()

    def all(self) -> list[Release]:
        """List the releases that can be cut from, in order."""
        return [release for release in self._with_tiles() if not self._fault(release)]

    def default_name(self) -> str | None:
        """Return the name of the default release; None if it is not in `all`."""
        served = self.all()
        if not served:
            return None
        default = self._releases.default()
        return default.name if default.name in {release.name for release in served} else None

    def faults(self) -> Mapping[str, str]:
        """Return why other releases with tiles are left out, in a few words by `release NAME`."""
        faults = {f"release {each.name}": self._fault(each) for each in self._with_tiles()}
        return {name: fault for name, fault in faults.items() if fault}

    def _with_tiles(self) -> list[Release]:
        return [each for each in self._releases.all() if self._releases.has_tiles(each)]

    def _fault(self, release: Release) -> str:
        """Return what is wrong, in short; only the log has the details, which contain paths."""
        fault = "its defaults are invalid"
        try:
            default_options(release)
            fault = "its tile table cannot be read"
            self._releases.index(release)
        except (ConfigError, UnknownRelease) as error:
            text = str(error)
            if text not in self._logged:
                self._logged.add(text)
                _log.error("release %s is left out, %s: %s", release.name, fault, text)
            return fault
        return ""
