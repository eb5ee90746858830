"""What settings must be to each other, and the forms of those that are text."""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from soda_service.config.hosts import is_loopback
from soda_service.config.model import Config
from soda_service.config.notify import check_notify
from soda_service.config.settings import (
    OUTSIDE,
    Layer,
    environment_layer,
    file_layer,
    read_tree,
    warn_of_slips,
)
from soda_service.errors import ConfigError

if TYPE_CHECKING:
    from soda_service.config.cutouts import PicturesConfig
    from soda_service.config.model import Config

__all__ = ["check_together", "load_config"]

_AUTHORITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{2,}")
"""IVOA Identifiers 2.0, section 2.1."""

_ORIGIN = re.compile(r"https?://[^\s/,*@?#]+")

_STORE_KINDS = ("sqlite", "postgresql", "postgresql+psycopg")


def check_together(config: "Config") -> None:
    """Refuse settings that are allowed one by one but not together.

    Raises
    ------
    ConfigError
        Names the setting to change.
    """
    web, jobs = config.web, config.jobs
    if not is_loopback(web.host) and config.auth.is_open and not web.allow_remote_open:
        raise ConfigError(
            f"web.host: {web.host} is reached from other machines while auth.mode is open, so"
            " everybody there could use, read and delete everything; say"
            " web.allow_remote_open = true if that is meant, or listen at 127.0.0.1"
        )
    if web.path_prefix and (not web.path_prefix.startswith("/") or web.path_prefix.endswith("/")):
        raise ConfigError(
            f"web.path_prefix: {web.path_prefix!r} must begin with / and not end with it"
        )
    if web.base_url and not web.base_url.startswith(("http://", "https://")):
        raise ConfigError(f"web.base_url: {web.base_url!r} must begin with http:// or https://")
    for origin in filter(None, (each.strip() for each in web.trusted_origins.split(","))):
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"web.trusted_origins: {origin!r} is no origin; write it as https://example.org,"
                " with a port if it has one, without a path or a slash at the end"
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
            f"service.authority: {config.service.authority!r} is no IVOA authority: at least three"
            " letters, digits, or . _ ~ - of which the first is a letter or a digit"
        )
    check_notify(config.mail, config.webhooks, base_url=web.base_url)
    _check_levels(config.pictures)


def _check_levels(pictures: "PicturesConfig") -> None:
    """Refuse levels of STIFF's that are none of the kind that the settings beside them name."""
    if pictures.stiff_min_type == "greylevel" and not 0 <= pictures.stiff_min_level < 1:
        raise ConfigError(
            f"pictures.stiff_min_level: {pictures.stiff_min_level} is no part of full brightness,"
            " 0 to below 1, as stiff_min_type = greylevel wants it"
        )
    is_manual = (pictures.stiff_min_type, pictures.stiff_max_type) == ("manual", "manual")
    if is_manual and pictures.stiff_min_level >= pictures.stiff_max_level:
        raise ConfigError(
            f"pictures.stiff_max_level: {pictures.stiff_max_level} is white and must be above"
            f" stiff_min_level = {pictures.stiff_min_level}, which is black"
        )
    for name, kind, level in (
        ("stiff_min_level", pictures.stiff_min_type, pictures.stiff_min_level),
        ("stiff_max_level", pictures.stiff_max_type, pictures.stiff_max_level),
    ):
        if kind == "quantile" and not 0 <= level <= 1:
            raise ConfigError(f"pictures.{name}: {level} is no quantile, which is from 0 to 1")
        if not math.isfinite(level):
            raise ConfigError(f"pictures.{name}: {level} is no pixel value, which is finite")


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
        The TOML file; else SODA_CONFIG names it; else there is none.
    data
        The data directory; wins over SODA_DATA and the file.
    overrides
        Section -> key -> value of the command line; wins over everything.
    environ
        The environment variables.

    Raises
    ------
    ConfigError
        For a file that cannot be read, an unknown key, a bad value, or settings that do not go
        together.
    """
    path = path or (Path(environ["SODA_CONFIG"]) if environ.get("SODA_CONFIG") else None)
    written = (file_layer(path),) if path else ()
    variables = environment_layer(environ)
    given = Layer("command line", {OUTSIDE: {"data": str(data)} if data else {}, **overrides})
    warn_of_slips(Config, environ)
    config = read_tree(Config, (*written, variables, given))
    check_together(config)
    return config
