"""A picture as PNG or SVG, by matplotlib without its pyplot, which keeps figures alive."""

import io
import math
import threading
from collections.abc import Sequence
from itertools import pairwise
from textwrap import fill
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator

from service.charts.curves import marked
from service.charts.palette import COLOURS, DASHES, FILL, GRAY, Look, MarkerShape, ink
from service.charts.picture import (
    Band,
    Bars,
    Cells,
    Line,
    Panel,
    Picture,
    PictureAxis,
    Shade,
    log_ticks,
    middle_cut,
)

PIXELS_PER_INCH = 96
"""So that an SVG, whose unit is 1/72 of an inch, has the size in pixels of a page."""
POINT = 72 / PIXELS_PER_INCH
"""Points of a pixel."""
LETTER = 6.4
"""Pixels that a letter of a legend takes, on the average and a little more."""
SYMBOLS: dict[MarkerShape, str] = {
    "none": "None",
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "X",
    "star": "*",
}
FONT = "DejaVu Sans"
STYLE: dict[Any, Any] = {
    "font.family": [FONT],
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "svg.hashsalt": "parsimony",
    "svg.fonttype": "path",
}
"""Its own, whatever the user's matplotlibrc says."""
TITLE_POINTS, NOTE_POINTS = 11.0, 8.5
PAD = 0.06
"""Inches above and below."""
TITLE_LETTER = 9.0
"""Pixels of a letter of the title."""
TICK = 15
"""Pixels from one tick to the next at least, of an upright axis."""
NAMES = 0.22
"""Share of the width that the names of an upright axis may take."""
TURNED = 24
"""Letters of a name that is written aslant."""
TALLEST_LEGEND = 0.4
"""Share of the height that a legend may take; of more entries the last says how many."""

_drawing = threading.Lock()
"""Matplotlib shares caches of fonts and glyphs, and its settings, between figures and threads."""


def draw(
    picture: Picture, form: Literal["png", "svg"], *, width: int, height: int, density: int = 1
) -> bytes:
    """The picture.

    Args:
        picture: what to draw.
        form: PNG, or SVG with letters as outlines, which looks the same everywhere.
        width: in pixels.
        height: in pixels.
        density: dots of a PNG for each pixel and direction: 2 for screens with fine dots.
    """
    sink = io.BytesIO()
    with _drawing, rc_context(STYLE):
        size = (width / PIXELS_PER_INCH, height / PIXELS_PER_INCH)
        figure = Figure(figsize=size, dpi=PIXELS_PER_INCH * density)
        _fill(figure, picture, width, height)
        if form == "png":
            FigureCanvasAgg(figure).print_png(sink)  # type: ignore[no-untyped-call]
        else:
            # Without a date, the same picture is the same file.
            FigureCanvasSVG(figure).print_svg(sink, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return sink.getvalue()


def _fill(figure: Figure, picture: Picture, width: int, height: int) -> None:
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=PAD)
    shares = [panel.share for panel in picture.panels]
    grid = figure.subplots(
        len(shares), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": shares}
    )
    for axes, panel in zip(grid[:, 0], picture.panels, strict=True):
        # What titles and legend leave, about.
        tall = 0.6 * height * panel.share / sum(shares)
        _panel(axes, panel, picture.x, width, tall)
        label = _lines(panel.y.label, int(1.15 * tall / LETTER), 2)
        axes.set_ylabel(_text(label), parse_math=False)
    _x_axis(grid[-1, 0], picture.x, width)
    figure.align_ylabels()
    _title(figure, picture, width, height)
    _legend(figure, picture, width, height)


def _title(figure: Figure, picture: Picture, width: int, height: int) -> None:
    """The title, and below it the note, for which empty lines of the title keep the place."""
    note = _lines(picture.note, int(width / LETTER), 3)
    lines = note.count("\n") + 1 if note else 0
    kept = "\n" * math.ceil(lines * NOTE_POINTS / TITLE_POINTS)
    title = _text(_cut(picture.title, int(width / TITLE_LETTER)))
    figure.suptitle(title + kept, fontsize=TITLE_POINTS, parse_math=False)
    if note:
        below = (PAD * 72 + 1.4 * TITLE_POINTS) / (height * POINT)
        figure.text(
            0.5, 1 - below, _text(note), ha="center", va="top",
            fontsize=NOTE_POINTS, color=GRAY, parse_math=False,
        )  # fmt: skip


def _panel(axes: Axes, panel: Panel, x: PictureAxis, width: int, tall: float) -> None:
    axes.set_axisbelow(True)
    cells = any(isinstance(mark, Cells) for mark in panel.marks)
    if not cells:
        axes.grid(axis="y" if x.names else "both", color="#DDDDDD", linewidth=0.6)
    for place, mark in enumerate(panel.marks):
        if isinstance(mark, Line):
            # The first, which is the best, lies on top; those that no legend names beneath.
            _line(axes, mark, 2.5 - 0.4 * place / len(panel.marks) - 0.5 * (not mark.listed))
        elif isinstance(mark, Band):
            (x_low, low), (_, high) = (
                _points(mark.x, values, spans=mark.spans) for values in (mark.low, mark.high)
            )
            axes.fill_between(x_low, low, high, color=mark.colour, alpha=0.15, linewidth=0)
        elif isinstance(mark, Bars):
            _bars(axes, mark, 1.0 if x.names else None)
        else:
            _cells(axes, mark, width, tall)
    y = panel.y
    if y.names:
        names = [_text(middle_cut(name, int(NAMES * width / LETTER))) for name in y.names]
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_ylim(-0.5, len(y.names) - 0.5)
    elif y.log:
        axes.set_yscale("log")
        axes.set_ylim(y.low, y.high)
        ticks = log_ticks(y)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    else:
        axes.set_ylim(y.low, y.high)
        step = y.step
        while (y.high - y.low) / step * TICK > tall:
            step *= 2
        axes.yaxis.set_major_locator(MultipleLocator(step))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _x_axis(axes: Axes, x: PictureAxis, width: int) -> None:
    axes.set_xlabel(_text(_lines(x.label, int(0.85 * width / LETTER), 2)), parse_math=False)
    if x.names:
        axes.set_xlim(-0.5, len(x.names) - 0.5)
        room = int(0.85 * width / len(x.names) / LETTER)
        turned = max(len(word) for name in x.names for word in name.split() or [""]) > room
        axes.set_xticks(
            range(len(x.names)),
            [_text(middle_cut(name, TURNED) if turned else fill(name, room)) for name in x.names],
            rotation=35 if turned else 0,
            ha="right" if turned else "center",
            rotation_mode="anchor" if turned else "default",
            parse_math=False,
        )
        return
    margin = 0.01 * (x.high - x.low) or 0.5
    axes.set_xlim(x.low - margin, x.high + margin)
    if x.whole:
        axes.xaxis.set_major_locator(FixedLocator(_counted(x)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MultipleLocator(x.step))


def _counted(x: PictureAxis) -> list[float]:
    """1, and then the multiples of the step."""
    step = int(x.step)
    return [x.low, *(float(n) for n in range(step, int(x.high) + 1, step) if n > x.low + step / 3)]


def _line(axes: Axes, line: Line, order: float) -> None:
    x, y = _points(line.x, line.y, spans=line.spans)
    drawn = _stroke(x, y, line.look, marker=line.listed or line.lonely)
    drawn.set_markevery(marked(len(x), _number(line.look)) if line.listed else None)
    if line.lonely and not line.listed:
        drawn.set_markerfacecolor("white")
    drawn.set_zorder(order)
    drawn.set_clip_on(False)  # a marker on the edge is whole
    axes.add_line(drawn)


def _number(look: Look) -> int:
    return COLOURS.index(look.colour) if look.colour in COLOURS else 0


def _stroke(x: Sequence[float], y: Sequence[float], look: Look, *, marker: bool = True) -> Line2D:
    scaled = tuple(length / look.width for length in DASHES[look.dash])  # its unit is the width
    return Line2D(
        x,
        y,
        color=look.colour,
        linewidth=look.width * POINT,
        linestyle=(0, scaled) if scaled else "solid",
        marker=SYMBOLS[look.marker] if marker else "None",
        markersize=8 * POINT,
    )


def _bars(axes: Axes, bars: Bars, unit: float | None) -> None:
    """Bars; ``unit`` is the distance between neighbours, that of these unless said."""
    if bars.width is None:
        axes.vlines(bars.x, bars.low, bars.high, colors=bars.colour, linewidth=2 * POINT, zorder=3)
        return
    if unit is None:
        places = sorted(set(bars.x))
        unit = min((b - a for a, b in pairwise(places)), default=1.0)
    heights = [high - low for low, high in zip(bars.low, bars.high, strict=True)]
    axes.bar(
        bars.x, heights, bottom=bars.low, width=bars.width * unit,
        facecolor=(bars.colour, FILL), edgecolor=bars.colour, linewidth=POINT,
    )  # fmt: skip


def _cells(axes: Axes, cells: Cells, width: int, tall: float) -> None:
    """Cells, with what stands in them where there is room for it."""
    letters = max((len(text) for row in cells.texts for text in row), default=0)
    columns, rows = len(cells.cells[0]), len(cells.cells)
    readable = letters * LETTER < 0.8 * width / columns and tall / rows > TICK
    for row, (values, texts) in enumerate(_rows(cells)):
        for column, value in enumerate(values):
            colour = "#FFFFFF" if value is None else cells.shades[value].colour
            axes.add_patch(
                Rectangle(
                    (column - 0.5, row - 0.5),
                    1,
                    1,
                    facecolor=colour,
                    edgecolor=GRAY if value is None else "#BBBBBB",
                    hatch="///" if value is None else None,
                    linewidth=0.5,
                )
            )
            if texts and readable:
                axes.text(
                    column, row, _text(texts[column]), ha="center", va="center",
                    color=ink(colour), fontsize=8.5, parse_math=False,
                )  # fmt: skip


def _rows(cells: Cells) -> list[tuple[Sequence[int | None], Sequence[str]]]:
    texts: Sequence[Sequence[str]] = cells.texts or [()] * len(cells.cells)
    return list(zip(cells.cells, texts, strict=True))


def _legend(figure: Figure, picture: Picture, width: int, height: int) -> None:
    """Below the panels, in as many columns as its names leave room for."""
    entries = picture.legend
    if not entries:
        return
    letters = max(len(entry.name) for entry in entries)
    columns = max(1, min(len(entries), int((width - 30) / (letters * LETTER + 60))))
    columns = math.ceil(len(entries) / math.ceil(len(entries) / columns))
    rows = max(1, int(TALLEST_LEGEND * height / 17))
    shown = entries if len(entries) <= rows * columns else entries[: rows * columns - 1]
    handles = [_handle(entry) for entry in shown]
    names = [entry.name for entry in shown]
    if len(shown) < len(entries):
        handles.append(Line2D([], [], linestyle="None"))
        names.append(f"and {len(entries) - len(shown)} more")
    # Matplotlib fills column by column; a ranking is read line by line.
    per_column = math.ceil(len(names) / columns)
    order = [
        row * columns + column
        for column in range(columns)
        for row in range(per_column)
        if row * columns + column < len(names)
    ]
    legend = figure.legend(
        [handles[place] for place in order],
        # A name that begins with an underscore would be kept out.
        ["\u200b" + _text(names[place]) for place in order],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=3.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _handle(entry: Line | Bars | Shade) -> Line2D | Patch:
    if isinstance(entry, Line):
        return _stroke([], [], entry.look)
    if isinstance(entry, Bars):
        if entry.width is None:
            return Line2D([], [], color=entry.colour, marker="|", linestyle="None", markersize=9)
        return Patch(facecolor=(entry.colour, FILL), edgecolor=entry.colour, linewidth=POINT)
    empty = not entry.colour
    return Patch(
        facecolor="#FFFFFF" if empty else entry.colour,
        edgecolor=GRAY,
        hatch="///" if empty else None,
        linewidth=0.5,
    )


def _points(
    x: Sequence[float], y: Sequence[float | None], *, spans: bool
) -> tuple[Sequence[float], list[float]]:
    """What is drawn: gaps as NaN, or without them."""
    if not spans:
        return x, [math.nan if value is None else value for value in y]
    known = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    return [a for a, _ in known], [b for _, b in known]


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _lines(text: str, letters: int, most: int) -> str:
    """The text in lines of so many letters."""
    return fill(text, max(letters, 8), max_lines=most, placeholder=" …")


def _text(text: str) -> str:
    """With a box in place of each letter that the font lacks: matplotlib warns of those."""
    known = get_font(findfont(FontProperties(family=FONT))).get_charmap()
    return "".join(
        letter if ord(letter) in known or letter in "\n\u200b" else "□" for letter in text
    )
