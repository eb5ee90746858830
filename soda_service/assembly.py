"""Build from the settings what web and worker processes share: data, store, queue, job types."""

from dataclasses import dataclass

from soda_service.config.model import Config, PicturesConfig
from soda_service.cutouts.holdings import Holdings
from soda_service.cutouts.job_type import CutoutJob
from soda_service.cutouts.notification_policy import NotificationPolicy
from soda_service.cutouts.pictures import PictureSettings
from soda_service.engine.colour.methods import METHODS
from soda_service.errors import ConfigError
from soda_service.formats.deflate import fastest_deflate
from soda_service.formats.format import Encoding
from soda_service.pixels.objectstore import Servers
from soda_service.pixels.reader import TileReader
from soda_service.restart.indexfolder import IndexFolder
from soda_service.sky.catalogue import ObjectCatalogue
from soda_service.sky.releases import Releases
from uws.events.redis_events import RedisEvents
from uws.files import open_files
from uws.runtime import Runtime
from uws.store import open_store
from uws.work.execution import RQExecutor

__all__ = ["Parts", "build_holdings", "build_parts", "build_runtime", "picture_settings"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one process of the service."""

    config: Config
    holdings: Holdings
    runtime: Runtime
    executor: RQExecutor
    """The executor of `runtime` under its concrete type, which reports on workers."""


def build_holdings(config: Config) -> Holdings:
    """Build releases, object catalogue and tile reader, without opening anything yet."""
    return Holdings(
        Releases(config.release_folders(), authority=config.service.authority),
        ObjectCatalogue(config.store_url()),
        TileReader(config.cutouts.open_tiles, _indexes(config), servers=Servers(config.remote)),
    )


def picture_settings(pictures: PicturesConfig) -> PictureSettings:
    """Return the picture settings that the engine and the workers need."""
    methods = {
        name: pictures.of_method(method)
        for name, method in METHODS.items()
        if method.operator_settings is not None
    }
    return PictureSettings(
        methods,
        Encoding(pictures.jpeg_quality, fastest_deflate()),
        thumbnails_rows_max=pictures.thumbnails_rows_max,
    )


def _indexes(config: Config) -> IndexFolder | None:
    folder = config.index_folder()
    return IndexFolder(folder, from_rows=config.cutouts.index_from_rows) if folder else None


def build_parts(config: Config) -> Parts:
    """Build all parts; connections are opened on first use, and therefore after a fork.

    Raises
    ------
    ConfigError
        If the data directory or the queue is not set, or the address of the file store is unknown.
    """
    holdings = build_holdings(config)
    limits = config.jobs.limits()
    executor = RQExecutor(config.queue_url(), config.queue.name)
    channel = f"{config.queue.name}-changes"
    notifications = NotificationPolicy(config.mail, config.webhooks)
    job_type = CutoutJob(holdings, config.cutouts, picture_settings(config.pictures), notifications)
    try:
        files = open_files(config.files_root())
    except ValueError as error:
        raise ConfigError(f"files.root: {error}") from error
    runtime = Runtime(
        store=open_store(config.store_url(), RedisEvents(config.queue_url(), channel)),
        files=files,
        job_types={job_type.name: job_type},
        executor=executor,
        limits=limits,
    )
    return Parts(config, holdings, runtime, executor)


def build_runtime(config: Config) -> Runtime:
    """Build only the UWS runtime, which is all that workers need."""
    return build_parts(config).runtime
