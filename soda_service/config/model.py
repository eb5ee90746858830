"""Settings of the service: one frozen tree, read once at the start.

A setting has a default here. The TOML file (`--config`, SODA_CONFIG), the environment
(`SODA_WEB__PORT`; SODA_DATA for the data directory) and the command line override it, in this
order. Unknown keys and bad values prevent the start. docs/configuration.md is generated from the
docstrings here.
"""

from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

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

_CENTURY_S = 36_525 * 86400  # longer times lead to dates beyond the calendar


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The web server, and its addresses."""

    host: str = "127.0.0.1"
    """Address to listen on (`serve`); `0.0.0.0` and `::` mean all interfaces."""

    port: Annotated[Integer, Interval(ge=0, le=65535)] = 8000
    """Port to listen on (`serve`); 0 chooses a free one."""

    base_url: str = ""
    """URL of the service as its users see it, path included, e.g.
    `https://example.org/cutouts`; empty: as each request was addressed.
    """

    path_prefix: str = ""
    """Path of the service on its host, e.g. `/cutouts`; empty: the root."""

    proxy_hops: Annotated[Integer, Interval(ge=0, le=10)] = 0
    """Number of proxies in front whose X-Forwarded-* headers are trusted."""

    workers: Annotated[Integer, Interval(ge=1, le=256)] = 2
    """Number of web processes."""

    threads: Annotated[Integer, Interval(ge=2, le=10_000)] = 1000
    """Threads of each web process, created on demand; a client blocked in WAIT holds one."""

    body_max_bytes: Annotated[Integer, Interval(ge=1)] = 512_000_000
    """Maximum size of a request body; a larger one is answered by 413."""

    allow_remote_open: Flag = False
    """Allow listening beyond this machine although everybody may use everything (`auth.mode =
    "open"`).
    """

    cors_origins: str = "*"
    """Origins whose pages may read public data (cutouts, releases, queries, results by the id of
    their job), separated by commas; `*`: all; empty: none. Jobs are not included.
    """

    trusted_origins: str = ""
    """Origins of other sites whose pages may read, make, change and delete jobs, e.g.
    `https://portal.example.org`, separated by commas; empty: none.
    """

    hosts: str = ""
    """Host names of the service besides that in `base_url`, separated by commas; `.example.org`:
    all names that end in it; `*`: any. Requests with another `Host` are refused, except `localhost`
    and numeric addresses. If this and `base_url` are both empty, any name is accepted if
    `proxy_hops` is set or `host` is not a loopback address, otherwise none.
    """

    x_accel_prefix: str = ""
    """Internal nginx location that maps to `files.root`, e.g. `/_files`; empty: the web process
    sends files itself.
    """


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """Access to the service."""

    mode: str = "open"
    """`open`: everybody, as one anonymous owner."""

    @property
    def is_open(self) -> bool:
        """Whether everybody who can reach the service may use it."""
        return self.mode.lower() == "open"


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The job store: the SQL database of all jobs."""

    url: str = ""
    """SQLAlchemy URL, e.g. `postgresql+psycopg://soda@db.example.org/soda`; empty: `soda.db`
    (SQLite) in the data directory.
    """


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """The Redis (or Valkey) server that passes tasks to workers."""

    url: str = ""
    """`redis://`, `rediss://` or `unix://` URL; empty: `serve` starts its own server."""

    name: str = "soda"
    """Name of the queue; services that share a server need different names."""


@dataclass(frozen=True, slots=True)
class FilesConfig:
    """Storage of the files of jobs."""

    root: Location = ""
    """Directory, shared by web and workers, or `s3://BUCKET/PREFIX` (experimental); empty: `jobs`
    in the data directory.
    """


@dataclass(frozen=True, slots=True)
class ReleasesConfig:
    """Locations of data release files."""

    folders: Folders = ()
    """Folders of release files, searched after `releases` in the data directory and before those
    that come with the package (`conf/releases`).
    """


@dataclass(frozen=True, slots=True)
class JobsConfig:
    """Limits of jobs; the fields of `uws.runtime.JobLimits`."""

    execution_default_s: Annotated[Integer, Interval(ge=0, le=2**31 - 1)] = 6 * 3600
    """Default execution duration of a job, seconds; 0: unlimited."""

    execution_max_s: Annotated[Integer, Interval(ge=0, le=2**31 - 1)] = 24 * 3600
    """Maximum execution duration, seconds; 0: unlimited."""

    lifetime_default_s: Annotated[Integer, Interval(ge=60, le=_CENTURY_S)] = 14 * 86400
    """Default time from a job's creation to its destruction, seconds."""

    lifetime_max_s: Annotated[Integer, Interval(ge=60, le=_CENTURY_S)] = 90 * 86400
    """Maximum time from a job's creation to its destruction, seconds."""

    archive: Flag = False
    """Whether jobs are kept after their destruction time, as ARCHIVED, without results and
    uploads."""

    archive_days: Annotated[Integer, Interval(ge=1, le=36_500)] = 365
    """Number of days that they are kept; also valid after `jobs.archive` was switched off."""

    parameters_at_job: Flag = False
    """Whether parameters of a PENDING job are accepted at the address of the job too. The standard
    (DALI 1.1, section 2.1) forbids it; the command line program `uws-client` needs it."""

    wait_max_s: Annotated[Integer, Interval(ge=0, le=600)] = 30
    """Maximum time that a WAIT blocks, seconds."""

    running_jobs_max: Annotated[Integer, Interval(ge=1)] = 20
    """Maximum number of an owner's jobs that are QUEUED or EXECUTING at a time; beyond it 429."""

    window: Annotated[Integer, Interval(ge=1)] = 8
    """Maximum number of one job's chunks in the queue at a time, so that no job fills it."""

    tries: Annotated[Integer, Interval(ge=1)] = 3
    """Maximum number of tries of a chunk whose worker is killed, or which raises an unexpected
    error; then its rows are given up as failed."""

    retry_pause_s: Annotated[Number, Interval(ge=0.1, le=60)] = 5.0
    """First pause before work is retried because something is unavailable (data, or space for
    results), seconds; each further pause is twice as long, up to a minute."""

    retry_for_s: Annotated[Number, Interval(ge=0, le=30 * 86400)] = 600.0
    """Total time of the pauses after which such work is given up, and its rows fail or its job ends
    in ERROR, seconds."""

    lease_s: Annotated[Integer, Interval(ge=3, le=86400)] = 30
    """A worker that gives no sign of life for this long loses its chunk, seconds."""

    inline_value_max: Annotated[Integer, Interval(ge=0)] = 4096
    """Parameter values with more characters are stored as files, outside the job document."""

    waiters_max: Annotated[Integer, Interval(ge=0)] = 800
    """Maximum number of requests blocked in WAIT in one web process, each of which holds one of its
    `web.threads`; a further WAIT is answered immediately."""

    def limits(self) -> "JobLimits":
        """Return these settings as the job server's value."""
        from uws.runtime import JobLimits  # imports SQLAlchemy, which --help does not need

        return JobLimits(**asdict(self))


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """Reading of tiles of releases with an `https://` or `s3://` root.

    S3 is configured by the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN, AWS_REGION; AWS_ENDPOINT_URL (and AWS_ALLOW_HTTP=true if that is http) for
    servers other than Amazon's; AWS_SKIP_SIGNATURE=true to read public buckets anonymously.
    """

    connections: Annotated[Integer, Interval(ge=1, le=256)] = 16
    """Maximum number of concurrent requests of a process."""

    gap_bytes: Annotated[Integer, Interval(ge=0, le=2**30)] = 1024
    """Ranges of a file with gaps of up to this many bytes are fetched by one request, including the
    gaps. A larger value is faster (10,000 fetches the rows of a tile in one request), a smaller one
    transfers fewer bytes."""

    connect_timeout_s: Annotated[Number, Interval(ge=0.1, le=600)] = 5.0
    """Time limit for connecting to a server, seconds."""

    timeout_s: Annotated[Number, Interval(ge=0.1, le=3600)] = 20.0
    """Time limit for a complete response, seconds."""

    retries: Annotated[Integer, Interval(ge=0, le=100)] = 4
    """Number of times a request is repeated after a server error (429, 5xx) or a lost connection,
    with growing pauses."""

    retry_for_s: Annotated[Number, Interval(ge=0, le=300)] = 10.0
    """Time limit for repeating a request, seconds; after it the server counts as unavailable, and
    the rows that need it are retried (`jobs.retry_for_s`)."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The log, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], ANY_CASE] = "info"
    """Minimum severity of log lines: `debug`, `info`, `warning` or `error`."""

    format: Annotated[Literal["text", "json"], ANY_CASE] = "text"
    """`text` for people, or `json` for log collectors: one object per line."""


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """The sweeper: destroys expired jobs, stops overdue ones, queues lost work again."""

    every_s: Annotated[Number, Interval(ge=0.1, le=3600)] = 5.0
    """Pause between two sweeps, seconds."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """Description of the service for users and registries."""

    title: str = "Sky cutout service"
    """Name shown on pages and in VO documents."""

    authority: str = "unregistered.invalid"
    """IVOA authority in dataset identifiers: `ivo://{authority}/{release}?{tile}/{band}`; use your
    observatory's own, as registered with the IVOA."""

    contact: str = ""
    """Mail address or URL where users find help."""

    contact_name: str = ""
    """Name that belongs to this address, for registry records: a person or a help desk."""

    publisher: str = ""
    """Institution that runs the service, for registry records."""

    description: str = "Cutouts and colour pictures of survey images, at once or as jobs."
    """A few sentences about the service, for registry records."""

    subjects: str = "sky surveys"
    """Subjects of the service in registries, separated by commas; terms of the Unified Astronomy
    Thesaurus."""

    reference_url: str = ""
    """Page about the service, for registry records; empty: the service's own front page."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # also applies to the sections

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
            If none is set.
        """
        if self.data is None:
            raise ConfigError(
                "no data directory is set; use --data DIR, SODA_DATA, or `data` in the file"
            )
        return self.data

    def store_url(self) -> str:
        """Return the SQLAlchemy URL of the job store; raises ConfigError like `data_folder`."""
        # Quoted: what is % or ? in a path is not so in a URL.
        return self.store.url or f"sqlite:///{quote(str(self.data_folder() / 'soda.db'))}"

    def queue_url(self) -> str:
        """Return the URL of the queue server.

        Raises
        ------
        ConfigError
            If none is set: only `serve` starts its own.
        """
        if not self.queue.url:
            raise ConfigError(
                "queue.url: no Redis server is set; use SODA_QUEUE__URL or [queue] url,"
                " or run `soda-service serve`, which starts its own"
            )
        return self.queue.url

    def files_root(self) -> str:
        """Return the directory or address of job files; raises ConfigError like `data_folder`."""
        return self.files.root or str(self.data_folder() / "jobs")

    def published_folder(self) -> Path:
        """Return the folder that `publish` and the imports write to; raises like `data_folder`."""
        return self.data_folder() / "releases"

    def index_folder(self) -> Path | None:
        """Return the folder of restart indexes; None if neither it nor `data` is set."""
        default = self.data / "tile-index" if self.data else None
        return self.cutouts.index_folder or default

    def release_folders(self) -> tuple[Path, ...]:
        """Return the folders of release files, in order of precedence."""
        published = () if self.data is None else (self.published_folder(),)
        shipped = resources.files("soda_service").joinpath(
            "conf", "releases"
        )  # through a link, in a checkout
        return (*published, *self.releases.folders, Path(str(shipped)).resolve())
