"""Loading of the settings from their sources, and checks across settings."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_type_hints

from soda_service.config.cutouts import PicturesConfig
from soda_service.config.hosts import is_loopback
from soda_service.config.model import Config
from soda_service.config.notify import check_notify
from soda_service.config.validation import Source, read_toml, validate
from soda_service.engine.colour.methods import METHODS
from soda_service.errors import ConfigError

__all__ = ["check_together", "load_config"]

Table = TypeVar("Table")

_log = logging.getLogger(__name__)

_AUTHORITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{2,}")
"""IVOA Identifiers 2.0, section 2.1."""

_ORIGIN = re.compile(r"https?://[^\s/,*@?#]+")

_STORE_KINDS = ("sqlite", "postgresql", "postgresql+psycopg")

_EMPTY: Mapping[str, Mapping[str, object]] = MappingProxyType({})


def load_config(
    path: Path | None = None,
    data: Path | None = None,
    *,
    overrides: Mapping[str, Mapping[str, object]] = _EMPTY,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read the settings.

    Parameters
    ----------
    path
        The TOML file; by default the one in SODA_CONFIG; otherwise none.
    data
        The data directory; takes precedence over SODA_DATA and the file.
    overrides
        Section -> key -> value from the command line; takes precedence over everything.
    environ
        The environment variables.

    Raises
    ------
    ConfigError
        For a file that cannot be read, an unknown key, a bad value, or settings that do not fit
        together.
    """
    _warn_of_slips(environ)
    config = Config()
    path = path or (Path(environ["SODA_CONFIG"]) if environ.get("SODA_CONFIG") else None)
    for layer in _layers(path, data, overrides, environ):
        checked = validate(Config, layer.values, layer.source, place=layer.place)
        config = _overlaid(config, checked, layer.values)
    check_together(config)
    return config


@dataclass(frozen=True, slots=True)
class _Layer:
    """All settings from one source."""

    place: str
    """Name in messages: `conf/production.toml`, `environment`."""

    values: Mapping[str, Any]
    """Values as written, sections as tables. Any: they are not validated yet."""

    source: Source


def _layers(
    path: Path | None,
    data: Path | None,
    overrides: Mapping[str, Mapping[str, object]],
    environ: Mapping[str, str],
) -> Iterator[_Layer]:
    """Return the settings of each source; a later layer takes precedence."""
    if path:
        yield _Layer(str(path), read_toml(path), Source(path.resolve().parent))
    yield _Layer("environment", _variables(environ), Source(Path.cwd(), is_text=True))
    given = {**overrides, **({"data": str(data)} if data else {})}
    yield _Layer("command line", given, Source(Path.cwd()))


def _variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings in environment variables: SODA_SECTION__KEY, and SODA_DATA.

    Variables without the double underscore may belong to others: a cluster manager sets SODA_PORT
    and SODA_SERVICE_HOST for a service named soda.
    """
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        section, mark, key = variable.removeprefix("SODA_").partition("__")
        if variable.startswith("SODA_") and mark:
            values.setdefault(section.lower(), {})[key.lower()] = text
    return values | ({"data": environ["SODA_DATA"]} if environ.get("SODA_DATA") else {})


def _overlaid(below: Table, above: Table, keys: Mapping[str, Any]) -> Table:
    """Replace in a tree of dataclasses what the layer above sets, key by key."""
    changes: dict[str, Any] = {}
    for key, value in keys.items():
        upper = getattr(above, key)
        is_section = isinstance(value, Mapping)
        changes[key] = _overlaid(getattr(below, key), upper, value) if is_section else upper
    return replace(below, **changes)  # type: ignore[type-var]  # both are dataclasses


def _warn_of_slips(environ: Mapping[str, str]) -> None:
    """Warn about SODA_WEB_PORT where SODA_WEB__PORT was probably meant.

    This is not an error: a cluster manager sets this variable for a service named soda-web.
    """
    sections = get_type_hints(Config)
    for variable in environ:
        section, _, key = variable.removeprefix("SODA_").lower().partition("_")
        known = getattr(sections.get(section), "__dataclass_fields__", {})
        if variable.startswith("SODA_") and key in known:
            meant = f"SODA_{section}__{key}".upper()
            _log.warning("%s is not a setting and is ignored; did you mean %s?", variable, meant)


def check_together(config: Config) -> None:
    """Raise an error for settings that are valid one by one but do not fit together.

    Raises
    ------
    ConfigError
        Names the setting to change.
    """
    web, jobs = config.web, config.jobs
    if not is_loopback(web.host) and config.auth.is_open and not web.allow_remote_open:
        raise ConfigError(
            f"web.host: {web.host} is reachable from other machines while auth.mode is open, so"
            " everybody there could use, read and delete everything; set"
            " web.allow_remote_open = true if this is intended, or listen on 127.0.0.1"
        )
    if web.path_prefix and (not web.path_prefix.startswith("/") or web.path_prefix.endswith("/")):
        raise ConfigError(
            f"web.path_prefix: {web.path_prefix!r} does not begin with /, or ends with it"
        )
    if web.base_url and not web.base_url.startswith(("http://", "https://")):
        raise ConfigError(f"web.base_url: {web.base_url!r} does not begin with http:// or https://")
    for origin in filter(None, (each.strip() for each in web.trusted_origins.split(","))):
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"web.trusted_origins: {origin!r} is not an origin; write it as https://example.org,"
                " with a port if necessary, without a path or a slash at the end"
            )
    kind = config.store.url.partition("://")[0]
    if kind and kind not in _STORE_KINDS:
        raise ConfigError(f"store.url: {kind}: is unknown; known: {', '.join(_STORE_KINDS)}")
    if jobs.lifetime_default_s > jobs.lifetime_max_s:
        raise ConfigError(
            f"jobs.lifetime_default_s: {jobs.lifetime_default_s} exceeds"
            f" jobs.lifetime_max_s = {jobs.lifetime_max_s}"
        )
    if jobs.execution_max_s > 0 and not 0 < jobs.execution_default_s <= jobs.execution_max_s:
        raise ConfigError(
            f"jobs.execution_default_s: {jobs.execution_default_s} (0 is unlimited) exceeds"
            f" jobs.execution_max_s = {jobs.execution_max_s}"
        )
    if not _AUTHORITY.fullmatch(config.service.authority):
        raise ConfigError(
            f"service.authority: {config.service.authority!r} is not an IVOA authority: at least"
            " three letters, digits, or . _ ~ - beginning with a letter or a digit"
        )
    check_notify(config.mail, config.webhooks, base_url=web.base_url)
    _check_methods(config.pictures)


def _check_methods(pictures: PicturesConfig) -> None:
    """Raise an error for settings of picture methods that do not fit together."""
    for method in METHODS.values():
        try:
            pictures.of_method(method)
        except ValueError as error:
            raise ConfigError(f"pictures.{method.name}_{error}") from error
