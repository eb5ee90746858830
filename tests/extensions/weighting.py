"""An option of a row more: a word that files depend on."""

from soda_service.request.spec import Described, Kind, ParameterSpec, Scope

__all__ = ["WEIGHTING"]

WEIGHTING = ParameterSpec(
    "WEIGHTING",
    Kind.WORD,
    Scope.OPTION,
    "How pixels are weighted.",
    ucd="meta.code",
    default="none",
    choices=("none", "inverse"),
    descriptor=Described.SYNC,
)
