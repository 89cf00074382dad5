"""Learning curves: a metric over the epochs of each configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.charts.palette import DASHES, MARKERS, Dash, look
from service.charts.picture import (
    Band,
    Line,
    Panel,
    Picture,
    PictureAxis,
    axis_of_losses,
    axis_over,
    name_of,
)
from service.charts.words import is_loss, label, metric_in_words, titled
from worker.results import Curve, mean_curve
from worker.statistics import mean, standard_deviation

MARKED = 8
"""About as many markers has a line."""
FEW = 4
"""Configurations of which the dashed lines have names too."""
TALLEST = 1000
"""Pixels, however many lines there are."""


@dataclass(frozen=True)
class CurveGroup:
    """The trials of one configuration: its repeats and folds."""

    number: int
    name: str
    series: tuple[Mapping[str, Curve], ...]
    """``{metric: [one value an epoch]}`` of each."""
    replicas: str = ""
    """What these are, in words; empty for a single trial."""


def curves_picture(
    groups: Sequence[CurveGroup],
    *,
    metric: str,
    winner: int | None,
    job_name: str,
    task: str | None,
    asked: str,
) -> Picture:
    """A metric of the validation rows, and dashed the same of the training rows.

    Args:
        groups: the configurations, in the order of the ranking.
        metric: which is drawn full.
        winner: the number of the configuration that is drawn thick.
        job_name: for the title.
        task: what is predicted; it decides the unit of a loss.
        asked: the metric that was asked for; another one than ``metric`` if it has no curve.
    """
    twin = _twin(metric, groups)
    axis = axis_of_losses if is_loss(metric) else axis_over
    named = len(groups) <= FEW
    full = [_line(n, g, metric, winner) for n, g in enumerate(groups)]
    bands = [band for n, g in enumerate(groups) if (band := _band(n, g, metric))]
    dashed = [_dashed(n, g, twin, named=named) for n, g in enumerate(groups)] if twin else []
    dashed = [line for line in dashed if any(value is not None for value in line.y)]
    seen = [value for line in (*full, *dashed) for value in line.y]
    seen += [value for band in bands for value in (*band.low, *band.high)]
    return Picture(
        title=titled(f"{metric_in_words(metric)} over the epochs", job_name),
        note=_note(groups, metric, twin, bands, asked, winner),
        x=_epochs([*full, *dashed]),
        panels=(Panel(axis(label(metric, task), seen), (*bands, *dashed, *full)),),
        height=_height(len(full)),
    )


def training_picture(
    groups: Sequence[CurveGroup], *, metric: str, job_name: str, task: str | None
) -> Picture:
    """One metric of each configuration in the order posted, from 0: the four lines of the text that
    this service was built from.
    """
    dashes: tuple[Dash, ...] = tuple(DASHES)
    lines = [
        _line(n, group, metric, None, dash=dashes[n % len(dashes)])
        for n, group in enumerate(sorted(groups, key=lambda group: group.number))
    ]
    values = [value for line in lines for value in line.y]
    return Picture(
        title=titled(f"{metric_in_words(metric)} over the epochs", job_name),
        note="" if not _replicas(groups) else f"Lines: means over {_replicas(groups)}.",
        x=_epochs(lines),
        panels=(Panel(axis_over(label(metric, task), values, zero=True), tuple(lines)),),
        height=_height(len(lines)),
    )


def _twin(metric: str, groups: Sequence[CurveGroup]) -> str | None:
    """The same metric of the training rows, where ``metric`` is one of the validation rows."""
    part, _, rest = metric.partition("_")
    twin = f"train_{rest}"
    measured = any(twin in series for group in groups for series in group.series)
    return twin if part == "validation" and measured else None


def _line(
    number: int, group: CurveGroup, metric: str, winner: int | None, *, dash: Dash = "solid"
) -> Line:
    values = mean_curve([series.get(metric, []) for series in group.series])
    drawn = look(number, dash=dash, thick=group.number == winner)
    return Line(name_of(group.name), _places(values), tuple(values), drawn, spans=_spans(values))


def _dashed(number: int, group: CurveGroup, metric: str, *, named: bool) -> Line:
    values = mean_curve([series.get(metric, []) for series in group.series])
    # Of many, an interactive legend would leave no room for the lines.
    name = f"training: {name_of(group.name)}" if named else ""
    return Line(
        name,
        _places(values),
        tuple(values),
        look(number, dash="dashed"),
        listed=False,
        spans=_spans(values),
    )


def _band(number: int, group: CurveGroup, metric: str) -> Band | None:
    """Mean ± s over the trials, as far as all have values; none for a single trial."""
    if len(group.series) < 2:
        return None
    low: list[float | None] = []
    high: list[float | None] = []
    for values in zip(*(series.get(metric, []) for series in group.series), strict=False):
        known = [value for value in values if value is not None]
        deviation = standard_deviation(known) if len(known) == len(values) else None
        centre = None if deviation is None else mean(known)
        low.append(None if centre is None or deviation is None else centre - deviation)
        high.append(None if centre is None or deviation is None else centre + deviation)
    if not low:
        return None
    colour = look(number).colour
    return Band(name_of(group.name), _places(low), tuple(low), tuple(high), colour, _spans(low))


def _note(
    groups: Sequence[CurveGroup],
    metric: str,
    twin: str | None,
    bands: Sequence[Band],
    asked: str,
    winner: int | None,
) -> str:
    parts = []
    if asked != metric:
        parts.append(f"{metric_in_words(asked)} is measured at the end only.")
    if twin is not None:
        parts.append("Full: validation rows; dashed: training rows.")
    if bands:
        parts.append(f"Mean over {_replicas(groups)}; bands: ± 1 standard deviation.")
    if any(group.number == winner for group in groups) and len(groups) > 1:
        parts.append("Thick: the winner.")
    return " ".join(parts)


def _replicas(groups: Sequence[CurveGroup]) -> str:
    """What the means are over; empty for one trial each."""
    return next((group.replicas for group in groups if group.replicas), "")


def _height(lines: int) -> int:
    """Pixels: a legend of many lines takes room, which the lines need as well."""
    return min(TALLEST, 500 + 17 * max(0, (lines + 1) // 2 - 3))


def _epochs(lines: Sequence[Line]) -> PictureAxis:
    most = max((len(line.x) for line in lines), default=0)
    ticks = axis_over("Epoch", [1.0, float(most)], whole=True)
    return PictureAxis("Epoch", low=1.0, high=float(max(most, 1)), step=ticks.step, whole=True)


def _places(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(float(epoch) for epoch in range(1, len(values) + 1))


def _spans(values: Sequence[float | None]) -> bool:
    """Whether values lie apart: not every epoch was measured."""
    known = [place for place, value in enumerate(values) if value is not None]
    return bool(known) and known[-1] - known[0] >= len(known)


def marked(count: int, number: int) -> list[int]:
    """The points of a line that have a marker: those of neighbouring lines lie apart."""
    every = max(1, count // MARKED)
    shift = (number * max(1, every // len(MARKERS))) % every
    return list(range(shift, count, every))
