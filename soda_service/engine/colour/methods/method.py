"""What a picture method is: how it paints, and what requests and operators may set."""

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
    """A number of a method that a request may give."""

    name: str
    """Parameter, in upper case: `RGB_STRETCH`."""

    label: str
    """In one or two words, beside a field of a form."""

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
        What it means, for the table of all settings.
    minimum, maximum
        Of a number, both or neither.
    """
    # Any: of the field's type; what `field` returns goes for all.
    metadata = {"text": text, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, eq=False)
class Method:
    """A method of making pictures of bands."""

    name: str
    """In file names and parameters: lower-case letters and digits, `stiff`."""

    title: str
    """For people: `STIFF`."""

    phrase: str
    """The same within a sentence: `the STIFF method`."""

    painter: str
    """Where `paint` is: module and function, loaded when they are first needed."""

    settings: tuple[Setting, ...] = ()
    """What a request may set for each picture."""

    operator_settings: type | None = None
    """Dataclass of what the operator may set for all pictures, of fields made by
    `operator_setting`."""

    check_operator: Callable[[Any], None] | None = None
    """Raises ValueError for operator's settings that do not go together, led by the name of the one
    to change and a colon."""

    fit_settings: Callable[[float, float], Mapping[str, float]] | None = None
    """Gives settings that suit images, by parameter, from level and noise of their sky."""

    paints_grey: bool = False
    """Whether it paints a single band as well. The first such method in `METHODS` does."""

    suits_previews: bool = False
    """Whether pictures of neighbouring fields look alike, as a map of the sky wants them."""

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9]*", self.name):
            raise ValueError(
                f"{self.name!r} found; a method's name has lower-case letters and digits"
            )

    @cached_property
    def switch(self) -> str:
        """Parameter that asks for pictures."""
        return f"MAKE_RGB_{self.name.upper()}"

    @cached_property
    def triplets(self) -> str:
        """Parameter that tells their bands."""
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
            The request's, by parameter.
        operator
            A value of `operator_settings`, None where the method has none.
        out : ndarray, shape (ny, nx, 3) or (ny, nx), uint8
            Painted into, whatever its strides.
        """
        self.load()(bands, settings, operator, out)

    def load(self) -> Callable[..., None]:
        """Return the function that paints; its module is loaded, as those do who fork."""
        module, _, name = self.painter.partition(":")
        found: Callable[..., None] = getattr(import_module(module), name)
        return found
