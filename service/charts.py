"""Charts of a job's curves: a Chart.js configuration, and a picture."""

import io
import math
import threading
from collections.abc import Sequence

from service.comparison import Line
from service.schemas.results import Chart, ChartData

COLOURS = (
    (76, 175, 80),
    (33, 150, 243),
    (244, 67, 54),
    (255, 193, 7),
    (156, 39, 176),
    (0, 150, 136),
    (121, 85, 72),
    (63, 81, 181),
    (233, 30, 99),
    (96, 125, 139),
    (255, 87, 34),
    (139, 195, 74),
)
"""Of the lines, in order; the first four are those of the owner's example."""

_drawing = threading.Lock()
"""Matplotlib shares caches of fonts and glyphs between figures, without locks of its own."""


def chartjs(lines: Sequence[Line], *, title: str, label: str) -> Chart:
    """A line chart over epochs. Lines are straight between points: curves would invent values."""
    epochs = max((len(line.values) for line in lines), default=0)
    return Chart(
        data=ChartData(
            labels=list(range(1, epochs + 1)),
            datasets=[
                {
                    "label": line.name,
                    "data": line.values,
                    "borderColor": _colour(number),
                    "backgroundColor": _pale(number),
                    "fill": False,
                    "tension": 0,
                }
                for number, line in enumerate(lines)
            ],
        ),
        options={
            "scales": {
                "x": {"title": {"display": True, "text": "Epoch"}},
                "y": {"title": {"display": True, "text": label}, "beginAtZero": True},
            },
            "plugins": {"title": {"display": True, "text": title}},
        },
    )


def png(lines: Sequence[Line], *, title: str, label: str) -> bytes:
    """Draw a line chart over epochs, 1600 × 1000 pixels."""
    # Imported where it is used: it takes half a second, and most requests draw nothing.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _drawing:
        figure = Figure(figsize=(8, 5), dpi=200, layout="constrained")
        axes = figure.add_subplot()
        for number, line in enumerate(lines):
            epochs = range(1, len(line.values) + 1)
            values = [math.nan if value is None else value for value in line.values]
            # A name may hold a dollar sign, which would begin a formula, or begin with an
            # underscore, which would keep it out of the legend.
            name = "\u200b" + line.name.replace("$", r"\$")
            axes.plot(epochs, values, label=name, color=_colour(number), linewidth=1.5)
        axes.set_xlabel("Epoch")
        axes.set_ylabel(label)
        axes.set_title(title.replace("$", r"\$"))
        axes.grid(alpha=0.25)
        if _positive(lines):
            axes.set_ylim(bottom=0)
        if lines:
            axes.legend()
        picture = io.BytesIO()
        FigureCanvasAgg(figure).print_png(picture)  # type: ignore[no-untyped-call]
    return picture.getvalue()


def _positive(lines: Sequence[Line]) -> bool:
    return all(value is None or value >= 0 for line in lines for value in line.values)


def _colour(number: int) -> str:
    """The colour of a line, as `#RRGGBB`."""
    return "#{:02X}{:02X}{:02X}".format(*COLOURS[number % len(COLOURS)])


def _pale(number: int) -> str:
    """The same, mostly transparent, as CSS writes it."""
    return "rgba({}, {}, {}, 0.2)".format(*COLOURS[number % len(COLOURS)])
