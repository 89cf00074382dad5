"""The same chart as a PNG."""

import io
import math
import threading
from collections.abc import Sequence

from service.charts.palette import colour
from service.comparison import Line

_drawing = threading.Lock()
"""Matplotlib shares caches of fonts and glyphs between figures, without locks of its own."""


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
            axes.plot(epochs, values, label=name, color=colour(number), linewidth=1.5)
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
