"""One description of a picture, from which all its forms are drawn.

A picture has a title, a note, one x axis, and panels above each other that share it. A panel has a
y axis and what is drawn against it. All limits and ticks are said here, so that a Chart.js
configuration, a PNG and an SVG show the same.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from service.charts.palette import GRAY, Look
from worker.text import shortened

PictureKind = Literal[
    "curves",
    "training",
    "path",
    "surface",
    "attribution",
    "confusion",
    "calibration",
    "roc",
    "precision_recall",
    "importance",
]
LONGEST_NAME = 44
"""Letters of a name in a legend or on an axis; of a longer one the beginning is shown."""
TICKS = 6
"""About as many steps has an axis of numbers."""


@dataclass(frozen=True)
class PictureAxis:
    """An axis: of numbers between two limits, or of names, at 0, 1, 2 and so on."""

    label: str
    """What it shows, in words, with its unit."""
    low: float = 0.0
    high: float = 1.0
    step: float = 0.2
    """Between two ticks, of numbers."""
    whole: bool = False
    """Whether its numbers are counted: epochs, rows."""
    names: tuple[str, ...] = ()
    log: bool = False
    """Whether it is logarithmic; then it has no step."""


@dataclass(frozen=True)
class Line:
    """A line through points, straight between them: a curve would invent values."""

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    """None where there is no value: the line has a gap, unless it spans it."""
    look: Look
    listed: bool = True
    """Whether a picture's legend names it. Chart.js lists all that has a name."""
    spans: bool = False
    """Whether it goes on, straight, from one value to the next that there is."""

    @property
    def lonely(self) -> bool:
        """Whether it is a single point, which is seen by a marker alone."""
        return sum(value is not None for value in self.y) == 1


@dataclass(frozen=True)
class Band:
    """An area between two lines, around a third."""

    name: str
    """Of the line that it is around."""
    x: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    colour: str
    spans: bool = False
    """As of a line."""


@dataclass(frozen=True)
class Bars:
    """Upright bars, each between two values."""

    name: str
    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    colour: str = GRAY
    width: float | None = 0.7
    """Share of the distance between neighbours; none: as thin as a line, for an interval."""


@dataclass(frozen=True)
class Shade:
    """One step of a grid's colours."""

    name: str
    colour: str


@dataclass(frozen=True)
class Cells:
    """Cells at whole numbers of x and y, coloured by class."""

    shades: tuple[Shade, ...]
    cells: tuple[tuple[int | None, ...], ...]
    """``[row][column]``: the number of its shade, none where there is no value. Rows from below."""
    texts: tuple[tuple[str, ...], ...]
    """What stands in each cell; empty where there are too many to be read."""
    empty: str
    """What an empty cell means."""


Mark = Line | Band | Bars | Cells


@dataclass(frozen=True)
class Panel:
    """One y axis and what is drawn against it."""

    y: PictureAxis
    marks: tuple[Mark, ...]
    share: int = 1
    """Of the height, relative to the other panels."""


@dataclass(frozen=True)
class Picture:
    """All that is drawn."""

    title: str
    note: str
    """What a reader must know to read it rightly; may be empty."""
    x: PictureAxis
    panels: tuple[Panel, ...]
    """From the top."""
    height: int = 500
    """Pixels, of a picture 800 wide."""

    @property
    def legend(self) -> list[Line | Bars | Shade]:
        """What a legend names, in order."""
        entries: list[Line | Bars | Shade] = []
        for panel in self.panels:
            for mark in panel.marks:
                if isinstance(mark, Cells):
                    entries += mark.shades
                    if any(cell is None for row in mark.cells for cell in row):
                        entries.append(Shade(mark.empty, ""))
                elif isinstance(mark, (Line, Bars)) and mark.name and getattr(mark, "listed", True):
                    entries.append(mark)
        return entries


def axis_over(
    label: str,
    values: Iterable[float | None],
    *,
    zero: bool = False,
    whole: bool = False,
    tight: bool = False,
    ticks: int = TICKS,
) -> PictureAxis:
    """An axis of numbers that holds all these, from round number to round number.

    Args:
        label: of the axis.
        values: what is to be seen; those that are not finite are left out.
        zero: whether 0 is to be seen as well.
        whole: whether only whole numbers are ticked.
        tight: whether it ends where the values end.
        ticks: about how many steps there are.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if zero:
        known.append(0.0)
    low, high = min(known, default=0.0), max(known, default=1.0)
    if low == high:
        around = abs(low) * 0.1 or 1.0
        low, high = (low, low + around) if zero and low == 0 else (low - around, high + around)
    step = _round((high - low) / ticks)
    if whole:
        step = max(1.0, math.ceil(step))
    if tight:
        return PictureAxis(label, low=low, high=high, step=step, whole=whole)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return PictureAxis(
        label, low=_tidy(first * step), high=_tidy(last * step), step=step, whole=whole
    )


def axis_of_losses(label: str, values: Iterable[float | None]) -> PictureAxis:
    """An axis of numbers, logarithmic where linear would show only the first epochs: all are above
    0, and the largest is at least 8 and at most 10,000 times the smallest.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if low <= 0 or not 8 <= high / low <= 1e4:
        return axis_over(label, known)
    low = max(n for n in _ones_twos_fives(low) if n <= low * (1 + 1e-9))
    high = min(n for n in _ones_twos_fives(high) if n >= high * (1 - 1e-9))
    return PictureAxis(f"{label}, logarithmic", low=low, high=high, log=True)


def log_ticks(axis: PictureAxis) -> list[float]:
    """The ticks of a logarithmic axis: powers of ten, and over few of them 2 and 5 times those."""
    first, last = (math.floor(math.log10(end) + 1e-9) for end in (axis.low, axis.high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = (_tidy(f * 10.0**power) for power in range(first, last + 1) for f in factors)
    return [tick for tick in ticks if axis.low <= tick <= axis.high]


def _ones_twos_fives(value: float) -> list[float]:
    """Round numbers around a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return [_tidy(factor * power) for factor in (0.5, 1, 2, 5, 10)]


def _round(step: float) -> float:
    """The round number nearest above: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    factor = next((f for f in (1, 2, 5) if step <= f * power * (1 + 1e-9)), 10)
    return _tidy(factor * power)


def _tidy(value: float) -> float:
    """Without the last digits, which binary fractions leave behind: 0.30000000000000004."""
    return float(f"{value:.12g}")


def name_of(text: str) -> str:
    """A name as a picture shows it."""
    return shortened(middle_cut(text, LONGEST_NAME), LONGEST_NAME)


def middle_cut(text: str, letters: int) -> str:
    """The text, without some of its middle where it is longer: names often differ at their ends."""
    if len(text) <= letters:
        return text
    tail = letters // 3
    return f"{text[: letters - 1 - tail]}…{text[len(text) - tail :]}"


def digits(value: float | None, count: int = 3) -> str:
    """A number as a picture shows it: three digits that count, unless more are needed."""
    return "–" if value is None else f"{value:.{count}g}"


def enough_digits(values: Sequence[float]) -> int:
    """With so many digits different values look different, up to six."""
    different = set(values)
    return next(
        (n for n in (3, 4, 5) if len({f"{value:.{n}g}" for value in different}) == len(different)),
        6,
    )
