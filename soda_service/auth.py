"""Who asks: the one door where a request gets its owner.

Routes and pages see an owner's name only, so that accounts come in here and nowhere else.
"""

from typing import Protocol

from flask import Request

from soda_service.config.model import AuthConfig

__all__ = ["Authenticator", "OpenAuthenticator", "open_authenticator"]


class Authenticator(Protocol):
    """Finds the owner of a request."""

    def owner(self, request: Request) -> str:
        """Give the owner's name; empty for the anonymous one.

        Raises
        ------
        AuthenticationError
            When the request must say who sends it, and does not or falsely.
        """
        ...


class OpenAuthenticator:
    """Everybody is the same anonymous owner; credentials are passed over (UWS suites send some)."""

    def owner(self, request: Request) -> str:  # noqa: ARG002 - the contract's argument
        """Give the anonymous owner."""
        return ""


def open_authenticator(config: AuthConfig) -> Authenticator:
    """Make the authenticator that the settings name."""
    match config.mode:
        case "open":
            return OpenAuthenticator()
