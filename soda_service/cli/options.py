"""Shared parts of all commands: options before or after the command, progress, errors."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from typing_extensions import override

from soda_service.errors import CutoutError

if TYPE_CHECKING:
    from soda_service.config.model import Config

__all__ = [
    "CommandGroup",
    "Shared",
    "cores",
    "expected_errors",
    "pass_shared",
    "progress_bar",
    "shared_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(slots=True)
class Shared:
    """Options that may stand before or after the command."""

    config: Path | None = None
    data: Path | None = None
    debug: bool = False

    def load(self, **sections: Mapping[str, object]) -> "Config":
        """Read the settings and set up the log.

        Parameters
        ----------
        sections
            Settings from the command line by section and key; None means not set.

        Raises
        ------
        ConfigError
            As for `load_config`.
        """
        from soda_service.config.load import load_config
        from soda_service.startup import start_process

        if self.debug:
            sections["log"] = {"level": "debug"}
        given = {
            section: {key: value for key, value in values.items() if value is not None}
            for section, values in sections.items()
        }
        config = load_config(self.config, self.data, overrides=given)
        start_process(config.log)
        return config


pass_shared = click.make_pass_decorator(Shared, ensure=True)


def shared_options(command: Command) -> Command:
    """Add the options --config, --data and --debug to a command."""
    folder = click.Path(file_okay=False, path_type=Path)
    file = click.Path(dir_okay=False, path_type=Path)
    for option in (
        _option("--debug", is_flag=True, help="Log everything; show the traceback of an error."),
        _option("--data", type=folder, metavar="DIR", help="Data directory (or SODA_DATA)."),
        _option("--config", type=file, metavar="FILE", help="Settings (or SODA_CONFIG)."),
    ):
        command = option(command)
    return command


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal; yield a function of items done and total."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class CommandGroup(click.Group):
    """Group of commands. Each error is one line; the exit status is 2; --debug shows tracebacks."""

    @override
    def invoke(self, ctx: click.Context) -> Any:  # Any: whatever a command returns
        try:
            return super().invoke(ctx)
        except expected_errors() as error:
            if ctx.ensure_object(Shared).debug:
                raise
            text = str(error).removeprefix("Error: ")  # click adds this prefix itself
            lines = (" ".join(line.split()) for line in text.splitlines())
            raise _Failure("\n".join(lines)) from error


class _Failure(click.ClickException):
    exit_code = 2


def _option(name: str, **declaration: Any) -> Callable[[Command], Command]:
    # Any: all options of click.option.
    return click.option(name, callback=_keep, expose_value=False, **declaration)


def _keep(ctx: click.Context, option: click.Parameter, value: object) -> None:
    # The callback of the group's options, which run first, so that all commands share the value.
    shared = ctx.ensure_object(Shared)
    if value and option.name:
        setattr(shared, option.name, value)


def expected_errors() -> tuple[type[BaseException], ...]:
    """Return the errors whose message is enough for an operator.

    Errors of modules count only if these are loaded; otherwise they cannot have been raised.
    """
    errors: list[type[BaseException]] = [CutoutError, OSError]
    for module, name in (
        ("uws.errors", "UWSError"),
        ("sqlalchemy.exc", "SQLAlchemyError"),
        ("redis.exceptions", "RedisError"),
    ):
        if module in sys.modules:
            errors.append(getattr(sys.modules[module], name))
    return tuple(errors)
