"""A picture method more: grey levels in proportion to pixel values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soda_service.engine.colour.methods.method import Method, Setting, operator_setting

__all__ = ["RAMP", "RampSettings"]


@dataclass(frozen=True, slots=True)
class RampSettings:
    """What an operator may set."""

    darkest: float = operator_setting(0.0, "Level of what is black.", minimum=0, maximum=255)


def paint(
    bands: Sequence[NDArray[np.generic]],
    settings: Mapping[str, float],
    operator: RampSettings,
    out: NDArray[np.uint8],
) -> None:
    for number, band in enumerate(bands):
        levels = np.nan_to_num(np.asarray(band, float)) / settings["RGB_WHITE"] * 255
        out[..., number] = levels.clip(operator.darkest, 255)


def _fit(sky: float, noise: float) -> Mapping[str, float]:
    return {"RGB_WHITE": sky + 40 * noise}


RAMP = Method(
    "ramp",
    title="Ramp",
    phrase="a straight ramp",
    painter=f"{__name__}:paint",
    settings=(Setting("RGB_WHITE", "White", "Pixel value that is white.", 100.0, 1e-30),),
    operator_settings=RampSettings,
    fit_settings=_fit,
)
