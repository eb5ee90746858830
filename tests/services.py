"""A `Services` value with just the parts that a test needs."""

from typing import Any, cast

from soda_service.config.model import Config
from soda_service.cutouts.holdings import Holdings
from soda_service.sky.releases import Releases
from soda_service.web.served import ServedReleases
from soda_service.web.services import Services
from uws.runtime import Runtime
from uws.service import JobService

NOTHING = cast(Any, None)
"""In the place of parts that the test does not touch."""


def services_for(
    *,
    releases: Releases | None = None,
    runtime: Runtime | None = None,
    config: Config | None = None,
    base: str = "http://localhost",
) -> Services:
    known = Releases([]) if releases is None else releases
    return Services(
        config=Config() if config is None else config,
        holdings=Holdings(known, NOTHING, NOTHING),
        served=ServedReleases(known),
        runtime=NOTHING if runtime is None else runtime,
        jobs=NOTHING if runtime is None else JobService(runtime),
        base_url=lambda: base,
        queue_status=NOTHING,
        sync_cutout=NOTHING,
    )
