"""A picture as the configuration of a chart of Chart.js 4, without plug-ins and without functions.

What Chart.js has no type for is put together from what it has: a band is two lines and the area
between them, an interval a thin bar, a cell a bar between two whole numbers. Names along an axis of
bars are an axis of their own, which shares the place of a hidden one of numbers; panels are y axes
stacked above each other.
"""

from collections.abc import Sequence
from textwrap import wrap

from service.charts.curves import marked
from service.charts.palette import COLOURS, DASHES, EMPTY, FILL, GRAY, MarkerShape, ink, pale
from service.charts.picture import Band, Bars, Cells, Line, Panel, Picture, PictureAxis
from service.schemas.results import Chart, ChartData
from worker.schema import Json

POINT_STYLES: dict[MarkerShape, str] = {
    "circle": "circle",
    "square": "rect",
    "triangle": "triangle",
    "diamond": "rectRot",
    "cross": "crossRot",
    "star": "star",
}
BENEATH = 100
"""The `order` of what is drawn beneath the lines, and comes last in the legend."""
EDGE = "#BBBBBB"
WIDTH = 800
"""Pixels of the width that a picture's height is said for."""


def chartjs(picture: Picture) -> Chart:
    """The configuration."""
    datasets: list[Json] = []
    scales: Json = {"x": _x(picture)}
    if picture.x.names:
        scales["xNames"] = _names(picture.x, "x")
    several = len(picture.panels) > 1
    # Chart.js stacks axes from the bottom.
    for number, panel in enumerate(reversed(picture.panels)):
        if number:
            scales[f"gap{number}"] = _gap(sum(p.share for p in picture.panels))
        axis = "y" if number == 0 else f"y{number + 1}"
        scales[axis] = _y(panel.y)
        if several:
            scales[axis] |= {"stack": "panels", "stackWeight": panel.share}
        if panel.y.names:
            scales[f"{axis}Names"] = _names(panel.y, "y")
    for number, panel in reversed(list(enumerate(reversed(picture.panels)))):
        axis = "y" if number == 0 else f"y{number + 1}"
        _add(datasets, panel, axis, counted=picture.x.whole)
        scales |= _texts(panel, axis)
    lines = all(isinstance(m, (Line, Band)) for p in picture.panels for m in p.marks)
    return Chart(
        type="line" if lines else "bar",
        data=ChartData(labels=_labels(picture), datasets=datasets),
        options={
            "aspectRatio": round(WIDTH / picture.height, 4),
            "scales": scales,
            "plugins": {
                "title": {"display": True, "text": picture.title, "font": {"size": 14}},
                "subtitle": {
                    "display": bool(picture.note),
                    "text": _wrapped(picture.note),
                    "padding": {"bottom": 10},
                },
                "legend": {
                    "display": bool(picture.legend),
                    "position": "bottom",
                    "labels": {"usePointStyle": True, "boxHeight": 8},
                },
                "tooltip": {"enabled": not _has_cells(picture)},
            },
        },
    )


def _add(datasets: list[Json], panel: Panel, axis: str, *, counted: bool) -> None:
    for mark in panel.marks:
        if isinstance(mark, Line):
            datasets.append(_line(mark, axis, counted))
        elif isinstance(mark, Band):
            datasets += _band(mark, axis, counted)
        elif isinstance(mark, Bars):
            datasets.append(_bars(mark, axis))
        else:
            datasets += _cells(mark, axis)


def _points(
    x: Sequence[float], y: Sequence[float | None], counted: bool
) -> list[float | None] | list[Json]:
    """By number where x counts from 1, as labels do; else pairs."""
    if counted:
        return list(y)
    return [{"x": a, "y": b} for a, b in zip(x, y, strict=True)]


def _line(line: Line, axis: str, counted: bool) -> Json:
    shown = set(marked(len(line.x), COLOURS.index(line.look.colour)) if _marked(line) else ())
    style: Json = {"pointRadius": 0, "pointHitRadius": 0}
    if _marked(line):
        style = {
            "pointStyle": POINT_STYLES[line.look.marker],
            "pointRadius": [4 if place in shown else 0 for place in range(len(line.x))],
            "pointHitRadius": 6,
            "pointBackgroundColor": line.look.colour,
            "pointBorderWidth": 1,
        }
    else:
        style["pointStyle"] = "line" if line.name else False
    return {
        "type": "line",
        "label": line.name,
        "data": _points(line.x, line.y, counted),
        "yAxisID": axis,
        "borderColor": line.look.colour,
        "backgroundColor": pale(line.look.colour, 0.2),
        "borderWidth": line.look.width,
        "borderDash": list(DASHES[line.look.dash]),
        "order": _order(line),
        "fill": False,
        "tension": 0,
        "clip": 8,  # a marker on the edge is whole
        **({"spanGaps": True} if line.spans else {}),
        **style,
    }


def _order(line: Line) -> int:
    """Of a legend; and the larger, the further beneath."""
    if line.listed:
        return 0
    return 1 if line.name else BENEATH - 1


def _marked(line: Line) -> bool:
    return line.look.marker != "none" and line.listed


def _band(band: Band, axis: str, counted: bool) -> list[Json]:
    """Two lines that are not seen, and the area from the second to the first."""
    edge: Json = {
        "type": "line",
        "label": "",
        "yAxisID": axis,
        "borderColor": "transparent",
        "borderWidth": 0,
        "pointStyle": False,
        "pointRadius": 0,
        "pointHitRadius": 0,
        "order": BENEATH,
        "tension": 0,
        **({"spanGaps": True} if band.spans else {}),
    }
    return [
        {**edge, "data": _points(band.x, band.low, counted), "fill": False},
        {
            **edge,
            "data": _points(band.x, band.high, counted),
            "fill": "-1",
            "backgroundColor": pale(band.colour, 0.15),
        },
    ]


def _bars(bars: Bars, axis: str) -> Json:
    thin = bars.width is None
    return {
        "type": "bar",
        "label": bars.name,
        "data": [
            {"x": x, "y": [low, high]}
            for x, low, high in zip(bars.x, bars.low, bars.high, strict=True)
        ],
        "yAxisID": axis,
        "backgroundColor": bars.colour if thin else pale(bars.colour, FILL),
        "borderColor": bars.colour,
        "borderWidth": 1,
        "borderSkipped": False,
        "grouped": False,
        "pointStyle": ("line" if thin else "rect") if bars.name else False,
        "order": 0 if thin else 2,
        **({"barThickness": 1} if thin else {"categoryPercentage": 1, "barPercentage": bars.width}),
    }


def _cells(cells: Cells, axis: str) -> list[Json]:
    """One set of bars for each shade, for a legend; then the empty ones, with an edge alone."""
    numbers: list[int | None] = [*range(len(cells.shades)), None]
    made: list[Json] = []
    for number in numbers:
        places = [
            {"x": column, "y": [row - 0.5, row + 0.5]}
            for row, values in enumerate(cells.cells)
            for column, value in enumerate(values)
            if value == number
        ]
        if number is None and not places:
            continue
        made.append(
            {
                "type": "bar",
                "label": cells.empty if number is None else cells.shades[number].name,
                "data": places,
                "yAxisID": axis,
                "backgroundColor": EMPTY if number is None else cells.shades[number].colour,
                "borderColor": GRAY if number is None else EDGE,
                "borderWidth": 1,
                "borderSkipped": False,
                "grouped": False,
                "pointStyle": "crossRot" if number is None else "rect",
                "categoryPercentage": 1,
                "barPercentage": 1,
                "order": 2,
            }
        )
    return made


def _gap(shares: int) -> Json:
    """An axis without anything, between two panels: their outermost ticks would meet."""
    nothing = {"display": False}
    return {
        "type": "linear",
        "axis": "y",
        "position": "left",
        "stack": "panels",
        "stackWeight": 0.05 * shares,
        **dict.fromkeys(("ticks", "grid", "border", "title"), nothing),
    }


def _texts(panel: Panel, axis: str) -> Json:
    """What stands in the cells: Chart.js writes no text in a chart but at ticks, so that each row
    has axes of names along its middle, with neither line nor grid: one in black, one in white.
    """
    by_name: Json = {}
    for cells in panel.marks:
        if not isinstance(cells, Cells):
            continue
        for row, (texts, values) in enumerate(zip(cells.texts, cells.cells, strict=False)):
            inks = [ink(EMPTY if v is None else cells.shades[v].colour) for v in values]
            for colour in sorted(set(inks)):
                labels = [t if i == colour else "" for t, i in zip(texts, inks, strict=True)]
                by_name[f"{axis}Row{row}{colour}"] = {
                    "type": "category",
                    "axis": "x",
                    "labels": labels,
                    "offset": True,
                    "position": {axis: row},
                    "border": {"display": False},
                    "grid": {"display": False, "drawTicks": False},
                    "ticks": {
                        "autoSkip": False,
                        "maxRotation": 0,
                        "padding": -7,
                        "z": 10,
                        "color": colour,
                    },
                }
    return by_name


def _labels(picture: Picture) -> list[int]:
    """Of curves, the epochs that any of them has."""
    lengths = [
        len(mark.x) for panel in picture.panels for mark in panel.marks if isinstance(mark, Line)
    ]
    return list(range(1, max(lengths, default=0) + 1)) if picture.x.whole else []


def _x(picture: Picture) -> Json:
    axis = picture.x
    if axis.whole:
        return {
            "type": "category",
            "labels": _labels(picture),
            "title": {"display": True, "text": axis.label},
            "ticks": {"maxRotation": 0, "autoSkipPadding": 12},
        }
    return _numbers(axis)


def _y(axis: PictureAxis) -> Json:
    return {**_numbers(axis), "position": "left", "beginAtZero": axis.low == 0}


def _numbers(axis: PictureAxis) -> Json:
    if axis.names:
        return {
            "type": "linear",
            "display": False,
            "min": -0.5,
            "max": len(axis.names) - 0.5,
            "offset": False,
            "ticks": {"stepSize": 1},
        }
    # Steps add up to nearly 0 below it: that is 0, and not -0.0.
    sign = {"signDisplay": "negative"}
    ticks: Json = {"stepSize": axis.step, "includeBounds": False, "format": sign}
    if axis.whole:
        ticks["precision"] = 0
    return {
        "type": "logarithmic" if axis.log else "linear",
        "min": axis.low,
        "max": axis.high,
        "offset": False,
        "title": {"display": True, "text": axis.label},
        "grid": {"offset": False},
        "ticks": {"format": {"maximumSignificantDigits": 2}} if axis.log else ticks,
    }


def _names(axis: PictureAxis, direction: str) -> Json:
    """An axis of names, in the place of one of numbers. A y axis of names counts from the top."""
    upright = direction == "y"
    return {
        "type": "category",
        "axis": direction,
        "labels": list(axis.names),
        "offset": True,
        "reverse": upright,
        "position": "left" if upright else "bottom",
        "title": {"display": True, "text": axis.label},
        "grid": {"display": False},
        "ticks": {"autoSkip": False},
    }


def _has_cells(picture: Picture) -> bool:
    """A cell is a bar between two places: what a tooltip would tell of it is not its value."""
    return any(isinstance(mark, Cells) for panel in picture.panels for mark in panel.marks)


def _wrapped(note: str) -> list[str]:
    return wrap(note, 120)
