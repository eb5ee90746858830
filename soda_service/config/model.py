"""Settings of the service: one frozen tree, read once at the start.

A setting comes from, the later wins: its default here, the TOML file (`--config`, SODA_CONFIG),
the environment (`SODA_WEB__PORT`; SODA_DATA for the data directory), the command line. Unknown
keys and bad values stop the start. docs/configuration.md is drawn from the docstrings here.
"""

from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Interval
from pydantic import ConfigDict

from soda_service.config.cutouts import CutoutsConfig, PicturesConfig, Sia2Config, SyncConfig
from soda_service.config.notify import MailConfig, WebhooksConfig
from soda_service.config.validation import (
    ANY_CASE,
    Flag,
    Folder,
    Folders,
    Integer,
    Location,
    Number,
)
from soda_service.errors import ConfigError

if TYPE_CHECKING:
    from uws.runtime import JobLimits

__all__ = [
    "AuthConfig",
    "Config",
    "CutoutsConfig",
    "FilesConfig",
    "JobsConfig",
    "LogConfig",
    "MailConfig",
    "PicturesConfig",
    "QueueConfig",
    "ReleasesConfig",
    "RemoteConfig",
    "ServiceConfig",
    "Sia2Config",
    "StoreConfig",
    "SweepConfig",
    "SyncConfig",
    "WebConfig",
    "WebhooksConfig",
]

_CENTURY_S = 36_525 * 86400  # beyond it dates run out of the calendar


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The web server, and how it is reached."""

    host: str = "127.0.0.1"
    """Address to listen at (`serve`); `0.0.0.0` and `::` are all interfaces."""

    port: Annotated[Integer, Interval(ge=0, le=65535)] = 8000
    """Port to listen at (`serve`); 0 chooses a free one."""

    base_url: str = ""
    """URL of the service as its users see it, path included, e.g.
    `https://example.org/cutouts`; empty: as each request was addressed.
    """

    path_prefix: str = ""
    """Path below which the service lies, e.g. `/cutouts`; empty: the root."""

    proxy_hops: Annotated[Integer, Interval(ge=0, le=10)] = 0
    """How many proxies stand in front whose X-Forwarded-* headers are believed."""

    workers: Annotated[Integer, Interval(ge=1, le=256)] = 2
    """Web processes."""

    threads: Annotated[Integer, Interval(ge=2, le=10_000)] = 1000
    """Threads of each web process, made when needed; a client blocked in WAIT holds one."""

    body_max_bytes: Annotated[Integer, Interval(ge=1)] = 512_000_000
    """Largest request body; beyond it 413."""

    allow_remote_open: Flag = False
    """Allow listening beyond this machine although everybody may use everything (`auth.mode =
    "open"`).
    """

    cors_origins: str = "*"
    """Origins whose pages may read what is public (cutouts, releases, queries, results by the id
    of their job), separated by commas; `*`: all; empty: none. Jobs are not among it.
    """

    trusted_origins: str = ""
    """Origins of other sites whose pages may read, make, change and delete jobs, e.g.
    `https://portal.example.org`, separated by commas; empty: none.
    """

    hosts: str = ""
    """Names beside that in `base_url` by which the service is reached, separated by commas;
    `.example.org`: all that end so; `*`: any. Requests with another `Host` are refused.
    `localhost` and addresses in digits always do. Where this and `base_url` are empty any name
    will do if there are `proxy_hops` or `host` is no loopback address, and no other if not.
    """

    x_accel_prefix: str = ""
    """Internal nginx location that maps to `files.root`, e.g. `/_files`; empty: the web process
    sends files itself.
    """


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """Who may use the service."""

    mode: str = "open"
    """`open`: everybody, as one anonymous owner."""

    @property
    def is_open(self) -> bool:
        """Whether everybody who reaches the service may use it."""
        return self.mode.lower() == "open"


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The job store: the SQL database that knows every job."""

    url: str = ""
    """SQLAlchemy URL, e.g. `postgresql+psycopg://soda@db.example.org/soda`; empty: `soda.db`
    (SQLite) in the data directory.
    """


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """The Redis (or Valkey) server that hands tasks to workers."""

    url: str = ""
    """`redis://`, `rediss://` or `unix://` URL; empty: `serve` starts a server of its own."""

    name: str = "soda"
    """Name of the queue; services that share a server need different names."""


@dataclass(frozen=True, slots=True)
class FilesConfig:
    """Where the files of jobs lie."""

    root: Location = ""
    """Directory, shared by web and workers, or `s3://BUCKET/PREFIX` (experimental); empty: `jobs`
    in the data directory.
    """


@dataclass(frozen=True, slots=True)
class ReleasesConfig:
    """Where data releases are described."""

    folders: Folders = ()
    """Folders of release files, searched after `releases` in the data directory and before
    those that come with the package (`conf/releases`).
    """


@dataclass(frozen=True, slots=True)
class JobsConfig:
    """Limits of jobs; the fields of `uws.runtime.JobLimits`."""

    execution_default_s: Annotated[Integer, Interval(ge=0, le=2**31 - 1)] = 6 * 3600
    """Execution duration of a job that asks for none, seconds; 0: unlimited."""

    execution_max_s: Annotated[Integer, Interval(ge=0, le=2**31 - 1)] = 24 * 3600
    """Longest execution duration, seconds; 0: unlimited."""

    lifetime_default_s: Annotated[Integer, Interval(ge=60, le=_CENTURY_S)] = 14 * 86400
    """Time from creation to destruction of a job that asks for none, seconds."""

    lifetime_max_s: Annotated[Integer, Interval(ge=60, le=_CENTURY_S)] = 90 * 86400
    """Longest time from creation to a job's destruction, seconds."""

    archive: Flag = False
    """Whether jobs are kept after their destruction time, ARCHIVED, without results and uploads."""

    archive_days: Annotated[Integer, Interval(ge=1, le=36_500)] = 365
    """For how many days after that time, also where `jobs.archive` was switched off since."""

    wait_max_s: Annotated[Integer, Interval(ge=0, le=600)] = 30
    """Longest time that a WAIT blocks, seconds."""

    running_jobs_max: Annotated[Integer, Interval(ge=1)] = 20
    """Jobs of one owner that are QUEUED or EXECUTING at a time; beyond it 429."""

    window: Annotated[Integer, Interval(ge=1)] = 8
    """Chunks of one job in the queue at a time, so that no job fills it."""

    tries: Annotated[Integer, Interval(ge=1)] = 3
    """How often a chunk is tried whose worker is killed, or that shows a bug, before its rows are
    given up as failed."""

    retry_pause_s: Annotated[Number, Interval(ge=0.1, le=60)] = 5.0
    """Pause before work is tried again that found something away (data, or room for results),
    seconds; each further one is twice as long, up to a minute."""

    retry_for_s: Annotated[Number, Interval(ge=0, le=30 * 86400)] = 600.0
    """For how long in all, in pauses, such work is tried again before its rows are given up, or
    its job ends in ERROR, seconds."""

    lease_s: Annotated[Integer, Interval(ge=3, le=86400)] = 30
    """A worker that is silent for so long has lost its chunk, seconds."""

    inline_value_max: Annotated[Integer, Interval(ge=0)] = 4096
    """Parameter values with more characters are kept as files, out of the job document."""

    waiters_max: Annotated[Integer, Interval(ge=0)] = 800
    """Requests blocked in WAIT in one web process, each of which holds one of its `web.threads`;
    beyond it a WAIT is answered at once."""

    def limits(self) -> "JobLimits":
        """Return these settings as the job server's value."""
        from uws.runtime import JobLimits  # brings SQLAlchemy, which a cold --help can spare

        return JobLimits(**asdict(self))


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """How tiles are read whose release has an `https://` or `s3://` root.

    What S3 needs to know stands in the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN, AWS_REGION; AWS_ENDPOINT_URL (and AWS_ALLOW_HTTP=true where that is http)
    for servers other than Amazon's; AWS_SKIP_SIGNATURE=true to read public buckets anonymously.
    """

    connections: Annotated[Integer, Interval(ge=1, le=256)] = 16
    """Requests that a process has under way at a time."""

    gap_bytes: Annotated[Integer, Interval(ge=0, le=2**30)] = 1024
    """Ranges of a file that are at most so far apart are got by one request, the bytes between
    them too; more is quicker (10,000 makes one request of the rows of a tile), less moves fewer
    bytes."""

    connect_timeout_s: Annotated[Number, Interval(ge=0.1, le=600)] = 5.0
    """Longest time to reach a server, seconds."""

    timeout_s: Annotated[Number, Interval(ge=0.1, le=3600)] = 20.0
    """Longest time for an answer, its bytes included, seconds."""

    retries: Annotated[Integer, Interval(ge=0, le=100)] = 4
    """How often a request is repeated that failed by the server (429, 5xx) or the connection,
    with growing pauses."""

    retry_for_s: Annotated[Number, Interval(ge=0, le=300)] = 10.0
    """For how long a request is repeated, seconds; after it the server is away, and the rows that
    need it are tried again (`jobs.retry_for_s`)."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The log, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], ANY_CASE] = "info"
    """Least serious kind of line: `debug`, `info`, `warning` or `error`."""

    format: Annotated[Literal["text", "json"], ANY_CASE] = "text"
    """`text` for people, `json` for log collectors: an object a line."""


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """The sweeper: destroys expired jobs, ends overdue ones, sends lost work again."""

    every_s: Annotated[Number, Interval(ge=0.1, le=3600)] = 5.0
    """Pause between two sweeps, seconds."""


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


@dataclass(frozen=True, slots=True)
class Config:
    """All settings."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # of the sections too

    data: Folder | None = None
    """Data directory: job store, files of jobs, published releases (`--data`, SODA_DATA)."""

    web: WebConfig = WebConfig()
    auth: AuthConfig = AuthConfig()
    store: StoreConfig = StoreConfig()
    queue: QueueConfig = QueueConfig()
    files: FilesConfig = FilesConfig()
    releases: ReleasesConfig = ReleasesConfig()
    jobs: JobsConfig = JobsConfig()
    cutouts: CutoutsConfig = CutoutsConfig()  # noqa: RUF009 - frozen, as the others
    pictures: PicturesConfig = PicturesConfig()  # noqa: RUF009
    sync: SyncConfig = SyncConfig()  # noqa: RUF009
    sia2: Sia2Config = Sia2Config()  # noqa: RUF009
    remote: RemoteConfig = RemoteConfig()
    service: ServiceConfig = ServiceConfig()
    mail: MailConfig = MailConfig()  # noqa: RUF009
    webhooks: WebhooksConfig = WebhooksConfig()  # noqa: RUF009
    log: LogConfig = LogConfig()
    sweep: SweepConfig = SweepConfig()

    def data_folder(self) -> Path:
        """Return the data directory.

        Raises
        ------
        ConfigError
            When none is set.
        """
        if self.data is None:
            raise ConfigError(
                "no data directory is set; say --data DIR, SODA_DATA, or `data` in the file"
            )
        return self.data

    def store_url(self) -> str:
        """Return the SQLAlchemy URL of the job store; ConfigError as `data_folder`."""
        return self.store.url or f"sqlite:///{self.data_folder() / 'soda.db'}"

    def queue_url(self) -> str:
        """Return the URL of the queue server.

        Raises
        ------
        ConfigError
            When none is set: only `serve` brings its own.
        """
        if not self.queue.url:
            raise ConfigError(
                "queue.url: no Redis server is set; say SODA_QUEUE__URL or [queue] url,"
                " or run `soda-service serve`, which starts its own"
            )
        return self.queue.url

    def files_root(self) -> str:
        """Return the directory or address of the jobs' files; ConfigError as `data_folder`."""
        return self.files.root or str(self.data_folder() / "jobs")

    def published_folder(self) -> Path:
        """Return the folder that `publish` and the imports write to; as `data_folder`."""
        return self.data_folder() / "releases"

    def index_folder(self) -> Path | None:
        """Return the folder of restart indexes; None where neither it nor data are set."""
        default = self.data / "tile-index" if self.data else None
        return self.cutouts.index_folder or default

    def release_folders(self) -> tuple[Path, ...]:
        """Return the folders of release files, those that win first."""
        published = () if self.data is None else (self.published_folder(),)
        shipped = resources.files("soda_service").joinpath(
            "conf", "releases"
        )  # through a link, in a checkout
        return (*published, *self.releases.folders, Path(str(shipped)).resolve())
