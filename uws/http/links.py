"""Addresses inside a job: where its results and parameters are read."""

from collections.abc import Iterator
from urllib.parse import quote

from uws.models import Job, Parameter

__all__ = ["find_parameter", "numbered_parameters", "parameter_url", "result_url"]


def result_url(job_url: str, result_id: str) -> str:
    """Return a result's address; `+` is written `%2B`, since some clients read it as a blank."""
    return f"{job_url}/results/{quote(result_id)}"


def parameter_url(job_url: str, name: str) -> str:
    """Return the address of a parameter's content by its numbered name."""
    return f"{job_url}/parameters/{quote(name)}"


def numbered_parameters(job: Job) -> Iterator[tuple[str, Parameter]]:
    """Return each parameter with a name of its own: `NAME`, then `NAME.2`, `NAME.3` for repeats."""
    seen: dict[str, int] = {}
    for parameter in job.parameters:
        number = seen[parameter.name] = seen.get(parameter.name, 0) + 1
        yield parameter.name if number == 1 else f"{parameter.name}.{number}", parameter


def find_parameter(job: Job, numbered_name: str) -> Parameter | None:
    """Find a parameter by its numbered name, in any case."""
    wanted = numbered_name.upper()
    return next((found for name, found in numbered_parameters(job) if name == wanted), None)
