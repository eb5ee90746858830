"""Authentication: find out who sends a request.

`AUTHENTICATORS` registers the kinds of authentication; a new kind is a class and a row. Routes
only see a `Caller`. `soda_service.routes` lists which routes require one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from flask import Request

from soda_service.config.model import AuthConfig
from soda_service.errors import ConfigError

__all__ = [
    "ANONYMOUS",
    "AUTHENTICATORS",
    "Authenticator",
    "Caller",
    "OpenAuthenticator",
    "open_authenticator",
]


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request."""

    owner: str = ""
    """Owner of the jobs that the request creates and sees; empty for the anonymous owner."""

    roles: frozenset[str] = frozenset()
    """Additional rights of the caller."""


ANONYMOUS = Caller()


class Authenticator(Protocol):
    """Finds the caller of a request."""

    def caller(self, request: Request) -> Caller:
        """Return the caller, or `ANONYMOUS` if credentials are optional and missing.

        Raises
        ------
        AuthenticationError
            If credentials are required and missing, or if they are wrong.
        """
        ...


class OpenAuthenticator:
    """Treat everybody as the same anonymous owner.

    Credentials are ignored, because UWS test suites send some.
    """

    def caller(self, request: Request) -> Caller:  # noqa: ARG002 - part of the protocol
        """Return the anonymous caller."""
        return ANONYMOUS


AUTHENTICATORS: dict[str, Callable[[AuthConfig], Authenticator]] = {
    "open": lambda _config: OpenAuthenticator(),
}
"""Factories of authenticators, by the value of the setting `auth.mode`."""


def open_authenticator(config: AuthConfig) -> Authenticator:
    """Build the authenticator named by the settings.

    Raises
    ------
    ConfigError
        If the kind is unknown.
    """
    make = AUTHENTICATORS.get(config.mode.lower())
    if make is None:
        allowed = ", ".join(AUTHENTICATORS)
        raise ConfigError(f"auth.mode: {config.mode!r} found; allowed: {allowed}")
    return make(config)
