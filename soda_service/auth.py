"""Who sends a request: the one door where a request gets its caller.

`AUTHENTICATORS` is the register of kinds: a new one is a class and a row. Routes see a `Caller`
only; which routes need one is said in `soda_service.routes`.
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
    """Owner of the jobs that the request makes and sees; empty for the anonymous one."""

    roles: frozenset[str] = frozenset()
    """What the caller may do beyond others."""


ANONYMOUS = Caller()


class Authenticator(Protocol):
    """Finds the caller of a request."""

    def caller(self, request: Request) -> Caller:
        """Return the caller, `ANONYMOUS` where the request names none and need not.

        Raises
        ------
        AuthenticationError
            When the request must say who sends it, and does not or falsely.
        """
        ...


class OpenAuthenticator:
    """Everybody is the same anonymous owner; credentials are ignored (UWS suites send some)."""

    def caller(self, request: Request) -> Caller:  # noqa: ARG002 - the contract's argument
        """Return the anonymous caller."""
        return ANONYMOUS


AUTHENTICATORS: dict[str, Callable[[AuthConfig], Authenticator]] = {
    "open": lambda _config: OpenAuthenticator(),
}
"""By the setting `auth.mode`, what makes the authenticator."""


def open_authenticator(config: AuthConfig) -> Authenticator:
    """Make the authenticator that the settings name.

    Raises
    ------
    ConfigError
        When there is no such kind.
    """
    make = AUTHENTICATORS.get(config.mode.lower())
    if make is None:
        allowed = ", ".join(AUTHENTICATORS)
        raise ConfigError(f"auth.mode: {config.mode!r} found; allowed is one of {allowed}")
    return make(config)
