"""A plot of a few figures as SVG: bars on a logarithmic scale, drawn without a library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = ["Bar", "draw"]

_LEFT, _WIDTH, _ROW = 150, 520, 26


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure, > 0."""

    name: str
    value: float


def draw(path: Path, bars: Sequence[Bar], title: str) -> None:
    """Draw bars, the shortest first, each with its value."""
    ordered = sorted(bars, key=lambda bar: bar.value)
    low = 10 ** math.floor(math.log10(ordered[0].value))
    high = 10 ** math.ceil(math.log10(ordered[-1].value))
    scale = _WIDTH / math.log10(high / low)
    width, height = _LEFT + _WIDTH + 90, _ROW * (len(ordered) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        ' font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>',
    ]
    for number, bar in enumerate(ordered, start=1):
        y = number * _ROW + 6
        length = scale * math.log10(bar.value / low)
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(bar.name)}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="17" fill="#4878a8"/>',
            f'<text x="{_LEFT + length + 6:.1f}" y="{y + 13}">{bar.value:.3g}</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")
