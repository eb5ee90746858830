"""The checks of `check-config`: everything that the settings name must exist and respond."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import Field, dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from soda_service.assembly import build_parts
from soda_service.auth import open_authenticator
from soda_service.cli.options import expected_errors
from soda_service.config.model import Config, RemoteConfig
from soda_service.engine.compiled import engine_path
from soda_service.errors import ConfigError, CutoutError, UnknownTile
from soda_service.pixels.objectstore import Servers
from soda_service.pixels.paths import is_remote_root, locate
from soda_service.pixels.reader import TileFile
from soda_service.request.options import default_options
from soda_service.serve.queue_server import find_server
from soda_service.sky.index import TileIndex
from soda_service.sky.release import Release
from soda_service.sky.releases import Releases, parse_release
from soda_service.web.sites import known_names
from uws.files import open_files
from uws.models import ACTIVE
from uws.store import open_store, store_file

__all__ = ["Finding", "check", "settings_in_effect"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check."""

    subject: str
    is_good: bool
    detail: str
    """What was found, or what is wrong."""


def check(config: Config) -> Iterator[Finding]:
    """Check everything that the settings name; change nothing."""
    if config.data:
        yield _look("data directory", lambda: _check_files(str(config.data_folder())))
    yield _look("job files", lambda: _check_files(config.files_root()))
    yield _look("job store", lambda: _check_store(config))
    yield _look("callers", lambda: _check_authentication(config))
    yield _look("decoder of compressed tiles", engine_path)
    yield _look("queue", lambda: _check_queue(config))
    yield _look("waiting clients", lambda: _check_waiters(config))
    yield Finding("names", is_good=True, detail=_names(config))
    releases = Releases(config.release_folders())
    for folder in config.release_folders():
        for path in sorted(folder.glob("*.toml")):
            look = partial(_check_release, releases, path, config.remote)
            yield _look(f"release {path.name}", look)
    yield _look("default release", lambda: releases.default().name)


def settings_in_effect(config: Config) -> Iterator[tuple[str, object]]:
    """Return all settings as path and value. Passwords are hidden, also those in URLs."""
    for section in fields(config):
        value = getattr(config, section.name)
        if not is_dataclass(value):
            yield section.name, value
            continue
        for key in fields(value):
            yield f"{section.name}.{key.name}", _shown(key, getattr(value, key.name))


def _shown(key: Field[Any], value: object) -> object:  # Any: whatever a setting is
    """Return a value for display, without passwords, also in URLs."""
    if value and not key.repr:
        return "***"
    return _without_password(value) if key.name == "url" and isinstance(value, str) else value


def _without_password(url: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url)


def _look(subject: str, action: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, is_good=True, detail=action())
    except expected_errors() as error:
        return Finding(subject, is_good=False, detail=" ".join(str(error).split()))


def _check_files(root: str) -> str:
    """Check that a directory or bucket can be written to, or a directory created."""
    try:
        return open_files(root).check()
    except ValueError as error:
        raise ConfigError(f"files.root: {error}") from error
    except OSError as error:
        raise ConfigError(error.strerror or str(error)) from error


def _check_authentication(config: Config) -> str:
    open_authenticator(config.auth)
    return f"auth.mode = {config.auth.mode}"


def _check_store(config: Config) -> str:
    url = config.store_url()
    path = store_file(url)
    if path is not None and not path.exists():
        return f"{path} (will be made by init-db or serve)"
    store = open_store(url)
    try:
        return f"{_without_password(url)}, {store.find.count('', ACTIVE)} active jobs"
    finally:
        store.close()


def _check_queue(config: Config) -> str:
    if not config.queue.url:
        return f"its own, started by serve: {find_server()}"
    counts = ", ".join(
        f"{count} {what}" for what, count in build_parts(config).executor.status().items()
    )
    return f"{_without_password(config.queue.url)}, {counts}"


def _check_waiters(config: Config) -> str:
    """Check that threads are left for others while the maximum number of clients waits."""
    waiters, threads = config.jobs.waiters_max, config.web.threads
    if waiters >= threads:
        raise ConfigError(
            f"jobs.waiters_max: {waiters} is not below web.threads = {threads}; clients in WAIT"
            " could hold all threads of a web process and block all other requests"
        )
    return f"up to {waiters} in each web process, which has {threads} threads"


def _names(config: Config) -> str:
    """Return the names under which the service is reached."""
    names = known_names(config.web)
    if not names:
        return "any Host is accepted; set web.base_url or web.hosts to limit them"
    return f"accepted as Host: addresses, and {', '.join(sorted(names))}"


def _check_release(releases: Releases, path: Path, remote: RemoteConfig) -> str:
    release = parse_release(path)
    used = releases.get(release.name).source
    if used is not None and used != path:
        return f"{release.name}, not used: hidden by {used}"
    default_options(release)
    index = releases.index(release) if releases.has_tiles(release) else None
    if index and is_remote_root(release.root):
        _check_server(release, index, remote)
    elif index and not Path(release.root).is_dir():
        raise ConfigError(f"{release.name}: its root {release.root} does not exist")
    bands = ", ".join(release.band_names)
    return f"{release.name}, bands {bands}, {f'{len(index)} tiles' if index else 'no tiles yet'}"


def _check_server(release: Release, index: TileIndex, remote: RemoteConfig) -> None:
    """Check that a server sends a byte of the first tile's first file; raise ConfigError if not."""
    from soda_service.pixels.remote import remote_identity

    servers = Servers(remote)
    try:
        file = next(_files(release, index, servers), None)
        if file is not None:
            remote_identity(file.path, servers)
    except CutoutError as error:
        cause = str(error.__cause__ or "").partition("\n")[0]
        root = _without_password(release.root)
        raise ConfigError(f"{release.name}: below {root}: {error} {cause}") from error


def _files(release: Release, index: TileIndex, servers: Servers) -> Iterator[TileFile]:
    """Yield the files of a release's tiles; tiles may lack bands."""
    for number in range(len(index)):
        for band in release.band_names:
            with suppress(UnknownTile):
                yield locate(release, index.tile(number), band, servers)
