"""The method of the STIFF program (E. Bertin): its settings."""

import math
from dataclasses import dataclass, fields
from typing import Literal

from soda_service.engine.colour.methods.method import Method, operator_setting

__all__ = ["STIFF", "StiffSettings"]


@dataclass(frozen=True, slots=True)
class StiffSettings:
    """Options of the STIFF program, with the program's defaults.

    Raises
    ------
    ValueError
        If an option is outside the program's range.
    """

    gamma: float = operator_setting(
        2.2,
        "STIFF's GAMMA: gamma of the screen; a larger value brightens faint objects.",
        minimum=0.001,
        maximum=10,
    )
    luminance_gamma: float = operator_setting(
        1.0,
        "STIFF's GAMMA_FAC: a gamma on brightness alone, which keeps colours.",
        minimum=0.001,
        maximum=10,
    )
    saturation: float = operator_setting(
        1.0,
        "STIFF's COLOUR_SAT: 0 is black and white, 2 exaggerates colours.",
        minimum=0,
        maximum=10,
    )
    min_type: Literal["greylevel", "quantile", "manual"] = operator_setting(
        "greylevel",
        "STIFF's MIN_TYPE: black is such that the sky has the grey level `stiff_min_level`; or it "
        "is that quantile of the darker half; or that pixel value.",
    )
    min_level: float = operator_setting(0.001, "STIFF's MIN_LEVEL.")
    max_type: Literal["quantile", "manual"] = operator_setting(
        "quantile",
        "STIFF's MAX_TYPE: white is the quantile `stiff_max_level` of the brighter half, or that "
        "pixel value.",
    )
    max_level: float = operator_setting(0.999, "STIFF's MAX_LEVEL.")

    def __post_init__(self) -> None:
        for each in fields(self):
            low, high = each.metadata["minimum"], each.metadata["maximum"]
            value = getattr(self, each.name)
            if low is not None and not low <= value <= high:
                raise ValueError(f"{each.name} is {value}; expected {low:g} to {high:g}")
        if self.min_type not in {"greylevel", "quantile", "manual"}:
            kinds = "greylevel, quantile or manual"
            raise ValueError(f"min_type is {self.min_type}; expected {kinds}")
        if self.max_type not in {"quantile", "manual"}:
            raise ValueError(f"max_type is {self.max_type}; expected quantile or manual")
        for name, level in (("min_level", self.min_level), ("max_level", self.max_level)):
            if not math.isfinite(level):
                raise ValueError(f"{name}: {level} is not a finite pixel value")


def _check(settings: StiffSettings) -> None:
    """Raise ValueError for levels that do not fit the type set beside them.

    The program accepts some of them, but the result is useless.
    """
    low, high = settings.min_level, settings.max_level
    if settings.min_type == "greylevel" and not 0 <= low < 1:
        raise ValueError(
            f"min_level: {low} is not a fraction of full brightness from 0 to below 1, which"
            " stiff_min_type = greylevel needs"
        )
    if (settings.min_type, settings.max_type) == ("manual", "manual") and low >= high:
        raise ValueError(f"max_level: {high} (white) is not above stiff_min_level = {low} (black)")
    for name, kind, level in (
        ("min_level", settings.min_type, low),
        ("max_level", settings.max_type, high),
    ):
        if kind == "quantile" and not 0 <= level <= 1:
            raise ValueError(f"{name}: {level} is not a quantile from 0 to 1")


STIFF = Method(
    "stiff",
    title="STIFF",
    phrase="the STIFF method",
    painter="soda_service.engine.colour.stiff:paint",
    operator_settings=StiffSettings,
    check_operator=_check,
    paints_grey=True,
)
