"""Colours, dashes and markers, chosen so that lines differ for whoever sees colours otherwise.

The colours are the hues of Okabe and Ito (2008, "Color Universal Design") without their yellow,
each darkened until it stands out from white by 3:1, WCAG's bound for graphics, and is at least 18
apart from each other in CIELAB, as seen with and without each kind of colour blindness
(`tests/unit/charts/test_palette.py`). No colour stands alone: each line has a marker of its own.
"""

from dataclasses import dataclass
from typing import Literal

BLUE = "#0047AB"
VERMILION = "#A63603"
GREEN = "#1B7A55"
ORANGE = "#CC8400"
PURPLE = "#B5409F"
SKY = "#2498DC"
BLACK = "#000000"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
"""Of lines, in the order of the ranking; then from the start, with other markers."""
GRAY = "#6B6B6B"
"""Of what is no series: a diagonal, a level, what is not clear."""

SHADES = ("#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838")
"""Six steps of cividis, from dark to light: in the same order for all eyes, and in gray (Nuñez,
Anderton & Renslow 2018, PLOS ONE 13)."""
SHARES = ("#f7fbff", "#d8e7f5", "#b0d2e7", "#6fb0d7", "#3787c0", "#0f5aa3")
"""Six steps of blue, from light to dark, for shares of a whole."""
FILL = 0.6
"""How opaque a bar is within its edge: the interval that ends in it stands out from it."""
EMPTY = "#FFFFFF"
"""Of a cell without a value."""

Dash = Literal["solid", "dashed", "dotted", "dash-dot"]
DASHES: dict[Dash, tuple[float, ...]] = {
    "solid": (),
    "dashed": (7.0, 4.0),
    "dotted": (2.0, 3.0),
    "dash-dot": (8.0, 3.0, 2.0, 3.0),
}
"""Pixels drawn and left out in turn."""
MarkerShape = Literal["none", "circle", "square", "triangle", "diamond", "cross", "star"]
MARKERS: tuple[MarkerShape, ...] = ("circle", "square", "triangle", "diamond", "cross", "star")
"""Of lines, in order. There are as many as share no divisor with the colours: the same colour and
marker come together again after 42 lines only."""


@dataclass(frozen=True)
class Look:
    """How a line looks."""

    colour: str = GRAY
    dash: Dash = "solid"
    marker: MarkerShape = "none"
    width: float = 1.75
    """In pixels."""


def look(number: int, *, dash: Dash = "solid", thick: bool = False) -> Look:
    """The look of the line of this number, from 0."""
    return Look(
        colour=COLOURS[number % len(COLOURS)],
        dash=dash,
        marker=MARKERS[number % len(MARKERS)],
        width=4.0 if thick else 1.75,
    )


def luminance(colour: str) -> float:
    """The relative luminance of ``#RRGGBB``: 0 is black, 1 white.

    Source: WCAG 2.2, "relative luminance".
    """
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str = "#FFFFFF") -> float:
    """How two colours stand out from each other, 1 to 21.

    Source: WCAG 2.2, "contrast ratio": (L₁ + 0.05) / (L₂ + 0.05), the lighter above.
    """
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink(background: str) -> str:
    """Black or white, whichever can be read on this colour."""
    return max((BLACK, "#FFFFFF"), key=lambda colour: contrast(colour, background))


def pale(colour: str, share: float) -> str:
    """The colour with this opacity, as CSS writes it."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {share:g})"
