"""The method of Lupton et al. (2004, PASP 116, 133): its settings."""

from collections.abc import Mapping

from soda_service.engine.colour.methods.method import VALUE_MAX, VALUE_MIN, Method, Setting

__all__ = ["ASINH", "LUPTON", "MINIMUM", "STRETCH"]

MINIMUM, STRETCH, ASINH = "RGB_MINIMUM", "RGB_STRETCH", "RGB_ASINH"

_BLACK_NOISE = 1.0
"""Black level: this many times the noise below the sky, so that the sky is dark grey."""

_STRETCH_NOISE = 20.0
"""Linear stretch in units of the noise, chosen by eye on DES, Legacy, PS1, SDSS and 2MASS images.
The DES default of 50 corresponds to a noise of 2.5."""

_SOFTENING = 10.0


def _fit(sky: float, noise: float) -> Mapping[str, float]:
    return {
        MINIMUM: sky - _BLACK_NOISE * noise,
        STRETCH: _STRETCH_NOISE * noise,
        ASINH: _SOFTENING,
    }


LUPTON = Method(
    "lupton",
    title="Lupton",
    phrase="the method of Lupton et al. (2004)",
    painter="soda_service.engine.colour.lupton:paint",
    settings=(
        Setting(
            MINIMUM, "Minimum", "Pixel value that is black in a Lupton picture.", 1.0, -VALUE_MAX
        ),
        Setting(STRETCH, "Stretch", "Linear stretch of a Lupton picture.", 50.0, VALUE_MIN),
        Setting(ASINH, "Asinh Q", "Asinh softening Q of a Lupton picture.", _SOFTENING, VALUE_MIN),
    ),
    fit_settings=_fit,
    suits_previews=True,
)
