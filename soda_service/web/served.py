"""The releases that pages offer: with tiles, and with defaults and tile table that can be read."""

import logging
from collections.abc import Mapping

from soda_service.errors import ConfigError, UnknownRelease
from soda_service.request.options import default_options
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases

__all__ = ["ServedReleases"]

_log = logging.getLogger(__name__)


class ServedReleases:
    """Looks at releases each time it is asked; what is wrong with one is logged once.

    Parameters
    ----------
    releases
        All that there are.
    """

    def __init__(self, releases: Releases) -> None:
        self._releases = releases
        self._told: set[str] = set()

    def all(self) -> list[Release]:
        """List the releases that can be cut from, in order."""
        return [release for release in self._with_tiles() if not self._fault(release)]

    def default_name(self) -> str | None:
        """Name the release of requests that name none; None if it is none of `all`."""
        served = self.all()
        if not served:
            return None
        default = self._releases.default()
        return default.name if default.name in {release.name for release in served} else None

    def faults(self) -> Mapping[str, str]:
        """Tell in few words, by `release NAME`, why others that have tiles are left out."""
        faults = {f"release {each.name}": self._fault(each) for each in self._with_tiles()}
        return {name: fault for name, fault in faults.items() if fault}

    def _with_tiles(self) -> list[Release]:
        return [each for each in self._releases.all() if self._releases.has_tiles(each)]

    def _fault(self, release: Release) -> str:
        """Find what is wrong; the log has it in full, with paths that are no client's business."""
        fault = "its defaults are at fault"
        try:
            default_options(release)
            fault = "its tile table is at fault"
            self._releases.index(release)
        except (ConfigError, UnknownRelease) as error:
            text = str(error)
            if text not in self._told:
                self._told.add(text)
                _log.error("release %s is left out, %s: %s", release.name, fault, text)
            return fault
        return ""
