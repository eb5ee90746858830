"""Definition of a picture method: how it paints, and what requests and operators may set."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soda_service.engine.colour.colour import Band, Picture

__all__ = ["VALUE_MAX", "VALUE_MIN", "Method", "Setting", "operator_setting"]

VALUE_MAX = 1e30
VALUE_MIN = 1e-36
"""Largest and smallest scale of pixel values that pictures can be made of: these are computed in
single precision (1e-38 .. 3e38), and images in W m-2 Hz-1 have a noise of 1e-34."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A numeric setting of a method that requests may give."""

    name: str
    """Parameter name, in upper case: `RGB_STRETCH`."""

    label: str
    """Label of its form field, in one or two words."""

    description: str
    """One sentence for users."""

    default: float
    minimum: float
    maximum: float = VALUE_MAX


def operator_setting(
    default: Any, text: str, *, minimum: float | None = None, maximum: float | None = None
) -> Any:
    """Declare a field of a method's `operator_settings`.

    Parameters
    ----------
    text
        Description for the table of all settings.
    minimum, maximum
        Limits of a number; both or neither.
    """
    # Any: the type of the field, as for `dataclasses.field`.
    metadata = {"text": text, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, eq=False)
class Method:
    """A method of making pictures from bands."""

    name: str
    """Name in file names and parameters, of lower-case letters and digits: `stiff`."""

    title: str
    """Displayed name: `STIFF`."""

    phrase: str
    """Displayed name within a sentence: `the STIFF method`."""

    painter: str
    """Module and function that paint, loaded on first use."""

    settings: tuple[Setting, ...] = ()
    """Settings that a request may give for each picture."""

    operator_settings: type | None = None
    """Dataclass of the operator's settings for all pictures, with fields made by
    `operator_setting`."""

    check_operator: Callable[[Any], None] | None = None
    """Raises ValueError for operator's settings that do not fit together. The message begins with
    the name of the setting to change and a colon."""

    fit_settings: Callable[[float, float], Mapping[str, float]] | None = None
    """Returns suitable settings by parameter, from level and noise of the sky."""

    paints_grey: bool = False
    """Whether it can also paint a single band. The first such method in `METHODS` is used."""

    suits_previews: bool = False
    """Whether pictures of neighbouring fields have the same levels, as a sky map needs."""

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9]*", self.name):
            raise ValueError(
                f"{self.name!r} found; a method's name has lower-case letters and digits"
            )

    @cached_property
    def switch(self) -> str:
        """Parameter that requests pictures."""
        return f"MAKE_RGB_{self.name.upper()}"

    @cached_property
    def triplets(self) -> str:
        """Parameter that lists the bands of the pictures."""
        return f"RGB_{self.name.upper()}_COLORS"

    @cached_property
    def option_names(self) -> tuple[str, ...]:
        """All parameters of the method."""
        return (self.switch, self.triplets, *(setting.name for setting in self.settings))

    def paint(
        self,
        bands: "Sequence[Band]",
        settings: Mapping[str, float],
        operator: object,
        out: "Picture",
    ) -> None:
        """Paint bands into a picture.

        Parameters
        ----------
        bands : sequence of ndarray, shape (ny, nx)
            Red, green and blue, or a single one if the method paints grey; in FITS row order.
        settings
            Settings of the request, by parameter.
        operator
            A value of `operator_settings`; None if the method has none.
        out : ndarray, shape (ny, nx, 3) or (ny, nx), uint8
            Output array, with any strides.
        """
        self.load()(bands, settings, operator, out)

    def load(self) -> Callable[..., None]:
        """Load and return the painting function. Call this before forking."""
        module, _, name = self.painter.partition(":")
        found: Callable[..., None] = getattr(import_module(module), name)
        return found
