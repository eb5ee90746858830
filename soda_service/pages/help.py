"""`/help`: every option, file and status, with examples that work on this service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from soda_service.engine.colour.methods import METHODS
from soda_service.formats import picture_formats
from soda_service.request.options import default_options, option_text
from soda_service.request.spec import Kind, ParameterSpec, Scope, describe_allowed
from soda_service.request.table import PARAMETERS, option_names
from soda_service.sky.release import Release
from soda_service.vo.examples import place_in
from soda_service.web.services import Services

__all__ = ["create_help"]

_OF_SIZE = ("XSIZE", "YSIZE", "XPIX", "YPIX", "EDGE")


@dataclass(frozen=True, slots=True)
class _Option:
    spec: ParameterSpec
    defaults: tuple[tuple[str, str], ...]
    """Release and its default; a single entry without a release if all have the same."""

    allowed: tuple[tuple[str, str], ...]
    """Release and its allowed values, in the same form."""


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    title: str
    options: tuple[_Option, ...]


def create_help(services: Services) -> Blueprint:
    """Create the blueprint."""
    releases, served = services.holdings.releases, services.served
    blueprint = Blueprint("help", __name__)

    @blueprint.get("/help")
    def help_page() -> str:
        """Explain the options, the output files, and the use from scripts."""
        offered, default = served.all(), served.default_name()
        place = None if default is None else place_in(releases.get(default), releases)
        return render_template(
            "help.html",
            here="/help",
            groups=_groups(offered),
            releases=offered,
            example=place,
            methods=METHODS.values(),
            picture_format=picture_formats()[0],
        )

    return blueprint


def _groups(releases: Sequence[Release]) -> list[_Group]:
    of_pictures = {name for method in METHODS.values() for name in method.option_names}
    titles: dict[str, tuple[str, Callable[[ParameterSpec], bool]]] = {
        "where": ("Where", lambda p: p.scope is Scope.POSITION or p.kind is Kind.TABLE),
        "size": ("Size and edges", lambda p: p.name in _OF_SIZE),
        "colour": ("Colour pictures", lambda p: p.name in of_pictures),
        "fits": ("FITS files", lambda p: p.scope is Scope.OPTION),
        "soda": ("Shapes and data sets (SODA)", lambda p: p.scope is Scope.FILTER),
        "job": ("The job", lambda p: p.scope is Scope.JOB),
    }
    members: dict[str, list[_Option]] = {name: [] for name in titles}
    for spec in PARAMETERS.values():
        name = next(name for name, (_, is_of) in titles.items() if is_of(spec))
        defaults = [(r.name, _default(spec, r)) for r in releases]
        allowed = [(r.name, describe_allowed(spec, r)) for r in releases]
        members[name].append(_Option(spec, _joined(defaults), _joined(allowed)))
    return [_Group(name, title, tuple(members[name])) for name, (title, _) in titles.items()]


def _default(spec: ParameterSpec, release: Release) -> str:
    if spec.name not in option_names():
        return spec.default
    return option_text(spec.name, default_options(release), release)


def _joined(values: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Merge the values of all releases into one entry if they are equal."""
    texts = {text for _, text in values}
    return (("", texts.pop()),) if len(texts) == 1 else tuple(values)
