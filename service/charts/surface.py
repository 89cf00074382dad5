"""The picture of a search: its objective over the two numbers that matter most."""

from service.charts.palette import SHADES
from service.charts.picture import Cells, Panel, Picture, PictureAxis, Shade, digits, enough_digits
from service.charts.words import field_name, label, titled
from worker.results import Bin, Surface

MOST_TEXTS = 12
"""Cells of a row that are still wide enough for a number."""


def surface_picture(
    surface: Surface, *, objective: str, maximize: bool, job_name: str, task: str | None
) -> Picture:
    """Mean objective of each cell: the better, the darker. Cells without a configuration stay
    white.
    """
    known = sorted({v for row in surface.mean for v in row if v is not None}, reverse=maximize)
    steps = min(len(SHADES), len(known))
    count = enough_digits(known)
    class_of = {value: place * steps // len(known) for place, value in enumerate(known)}
    shades = tuple(
        Shade(_between(min(members), max(members), count), colour)
        for n, colour in enumerate(_spread(steps))
        for members in [[value for value in known if class_of[value] == n]]
    )
    names = [tuple(_bin(part) for part in parts) for parts in (surface.x_bins, surface.y_bins)]
    return Picture(
        title=titled(f"{label(objective, task)} of the configurations searched", job_name),
        note="Darker is better; each colour holds equally many cells. Where there is room in a "
        "cell: its mean, and in brackets how many configurations it holds.",
        x=PictureAxis(field_name(surface.x), names=names[0]),
        panels=(
            Panel(
                PictureAxis(field_name(surface.y), names=names[1]),
                (
                    Cells(
                        shades,
                        tuple(
                            tuple(None if v is None else class_of[v] for v in row)
                            for row in surface.mean
                        ),
                        tuple(
                            tuple(_text(*cell, count) for cell in zip(*row, strict=True))
                            for row in zip(surface.mean, surface.count, strict=True)
                        )
                        if len(surface.x_bins) <= MOST_TEXTS
                        else (),
                        "no configuration",
                    ),
                ),
            ),
        ),
        height=520,
    )


def _spread(count: int) -> list[str]:
    """So many of the colours, from end to end."""
    last = len(SHADES) - 1
    return [SHADES[round(n * last / max(count - 1, 1))] for n in range(count)]


def _between(low: float, high: float, count: int) -> str:
    ends = [digits(value, count) for value in (low, high)]
    return ends[0] if low == high else " to ".join(ends)


def _text(value: float | None, configurations: int, count: int) -> str:
    return "" if value is None else f"{digits(value, count)} ({configurations})"


def _bin(part: Bin) -> str:
    if part.low is not None and part.high is not None:
        return f"{part.low:.2g} to {part.high:.2g}"
    value = part.value
    return f"{value:.3g}" if isinstance(value, float) else str(value)
