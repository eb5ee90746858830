"""The parts that routes and pages use, passed as one value to every blueprint factory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from soda_service.config.model import Config
from soda_service.cutouts.estimate import Estimate, estimate
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.sync_cutout import SyncCutout
from soda_service.vo.capabilities import Capability
from soda_service.web.served import ServedReleases
from uws.models import Parameter
from uws.runtime import Runtime
from uws.service import JobService

__all__ = ["Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the web application."""

    config: Config
    holdings: Holdings
    served: ServedReleases
    runtime: Runtime
    jobs: JobService
    base_url: Callable[[], str]
    """Returns the public base URL of the service, without a trailing slash."""

    queue_status: Callable[[], Mapping[str, float]]
    """Counts the tasks and workers of the queue; raises `UWSError` if it cannot be reached."""

    sync_cutout: SyncCutout
    """Makes the cutouts of `/sync`."""

    capabilities: Sequence[Capability] = ()
    """The VO interfaces of all routes."""

    def estimate(self, parameters: Sequence[Parameter]) -> Estimate:
        """Estimate the output of a request; raises as `soda_service.cutouts.estimate`."""
        rate = self.runtime.store.find.recent_rate_per_s()
        cutouts, files = self.config.cutouts, self.runtime.files
        return estimate(parameters, files, self.holdings, cutouts, rows_per_s=rate)
