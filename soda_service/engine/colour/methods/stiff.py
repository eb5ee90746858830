"""The method of the STIFF program (E. Bertin): what can be set."""

import math
from dataclasses import dataclass, fields
from typing import Literal

from soda_service.engine.colour.methods.method import Method, operator_setting

__all__ = ["STIFF", "StiffSettings"]


@dataclass(frozen=True, slots=True)
class StiffSettings:
    """Options of the STIFF program, by default its own defaults.

    Raises
    ------
    ValueError
        When one is out of the program's range.
    """

    gamma: float = operator_setting(
        2.2,
        "STIFF's GAMMA: of the screen; larger brings up what is faint.",
        minimum=0.001,
        maximum=10,
    )
    luminance_gamma: float = operator_setting(
        1.0,
        "STIFF's GAMMA_FAC: a gamma on brightness alone, which leaves colours as they are.",
        minimum=0.001,
        maximum=10,
    )
    saturation: float = operator_setting(
        1.0,
        "STIFF's COLOUR_SAT: 0 is black and white, 2 exaggerates.",
        minimum=0,
        maximum=10,
    )
    min_type: Literal["greylevel", "quantile", "manual"] = operator_setting(
        "greylevel",
        "STIFF's MIN_TYPE: black so that the sky has the grey level `stiff_min_level`; at that "
        "quantile of the darker half; or at that pixel value.",
    )
    min_level: float = operator_setting(0.001, "STIFF's MIN_LEVEL.")
    max_type: Literal["quantile", "manual"] = operator_setting(
        "quantile",
        "STIFF's MAX_TYPE: white at the quantile `stiff_max_level` of the brighter half, or at "
        "that pixel value.",
    )
    max_level: float = operator_setting(0.999, "STIFF's MAX_LEVEL.")

    def __post_init__(self) -> None:
        for each in fields(self):
            low, high = each.metadata["minimum"], each.metadata["maximum"]
            value = getattr(self, each.name)
            if low is not None and not low <= value <= high:
                raise ValueError(f"{each.name} must be {low:g} to {high:g}, found {value}")
        if self.min_type not in {"greylevel", "quantile", "manual"}:
            kinds = "greylevel, quantile or manual"
            raise ValueError(f"min_type must be {kinds}, found {self.min_type}")
        if self.max_type not in {"quantile", "manual"}:
            raise ValueError(f"max_type must be quantile or manual, found {self.max_type}")
        for name, level in (("min_level", self.min_level), ("max_level", self.max_level)):
            if not math.isfinite(level):
                raise ValueError(f"{name}: {level} is no pixel value, which is finite")


def _check(settings: StiffSettings) -> None:
    """Refuse levels that are none of the kind that the settings beside them name.

    The program takes some of them, and makes nothing of use.
    """
    low, high = settings.min_level, settings.max_level
    if settings.min_type == "greylevel" and not 0 <= low < 1:
        raise ValueError(
            f"min_level: {low} is no part of full brightness, 0 to below 1, as"
            " stiff_min_type = greylevel wants it"
        )
    if (settings.min_type, settings.max_type) == ("manual", "manual") and low >= high:
        raise ValueError(
            f"max_level: {high} is white and must be above stiff_min_level = {low}, which is black"
        )
    for name, kind, level in (
        ("min_level", settings.min_type, low),
        ("max_level", settings.max_type, high),
    ):
        if kind == "quantile" and not 0 <= level <= 1:
            raise ValueError(f"{name}: {level} is no quantile, which is from 0 to 1")


STIFF = Method(
    "stiff",
    title="STIFF",
    phrase="the STIFF method",
    painter="soda_service.engine.colour.stiff:paint",
    operator_settings=StiffSettings,
    check_operator=_check,
    paints_grey=True,
)
