"""The picture of an attribution: a waterfall from no technique to all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from service.charts.palette import BLACK, BLUE, GRAY, VERMILION, Look
from service.charts.picture import Bars, Line, Panel, Picture, PictureAxis, axis_over, name_of
from service.charts.words import label, metric_in_words, titled
from worker.results import Effect

VERDICTS = (
    ("helps", ("helps",), BLUE),
    ("harms", ("hurts",), VERMILION),
    ("unclear or untested", ("unclear", "untested"), GRAY),
)
FLAT = 0.004
"""Height of a bar that shows a level, as a share of what is seen."""


@dataclass(frozen=True)
class Contribution:
    """What one technique did to one metric."""

    technique: str
    effect: Effect


def attribution_picture(
    contributions: Sequence[Contribution],
    *,
    configuration: str,
    without_any: float | None,
    job_name: str,
    task: str | None,
) -> Picture:
    """The metric with all techniques, and what leaving out each by itself does to it.

    Each technique is measured by leaving it out alone, so that these do not add up: where a
    configuration without any was trained too, the bars lead from it to the whole, and the last one
    is the rest, what the techniques do together beyond that sum; else each bar ends at the whole.

    Args:
        contributions: of at least one technique, to the same metric.
        configuration: the name of the whole.
        without_any: the mean of the metric without any technique, if that was trained.
        job_name: for the title.
        task: what is predicted.
    """
    ordered = sorted(contributions, key=lambda one: -abs(one.effect.difference))
    effect = ordered[0].effect
    whole = effect.mean_with
    starts = _starts(ordered, whole, without_any)
    ends = [start + one.effect.difference for start, one in zip(starts, ordered, strict=True)]
    alone = len(ordered) == 1  # nothing else that could act together with it
    names = [one.technique.replace("_", " ") for one in ordered]
    rest: list[tuple[float, float, float]] = []
    if without_any is None:
        shown = [*names, f"all: {configuration}"]
        levels = [(float(len(names)), whole)]
    else:
        shown = ["none", *names, *([] if alone else ["interplay"]), f"all: {configuration}"]
        last = float(len(shown) - 1)
        levels = [(0.0, without_any), (last, whole)]
        rest = [] if alone else [(last - 1, ends[-1], whole)]
    first = 0 if without_any is None else 1
    at = [float(first + place) for place in range(len(ordered))]
    intervals = _intervals(ordered, starts, at)
    seen = [*starts, *ends, whole, *(v for _, low, high in intervals for v in (low, high))]
    axis = axis_over(label(effect.metric, task), [*seen, *(level for _, level in levels)])
    flat = FLAT * (axis.high - axis.low)
    marks: list[Line | Bars] = list(_links(levels, at, ends, rest))
    marks += _steps(ordered, at, starts, ends)
    if rest:
        marks.append(_bars("interplay: beyond the sum", rest, "#B8B8B8"))
    marks.append(_bars("", [(x, y - flat, y + flat) for x, y in levels], BLACK))
    if intervals:
        marks.append(Bars("95 % interval", *_columns(intervals), colour=BLACK, width=None))
    return Picture(
        title=titled(f"What each technique does to the {_lower(effect.metric)}", job_name),
        note=_note(effect, ordered, without_any is not None),
        x=PictureAxis("Technique", names=tuple(name_of(name) for name in shown)),
        panels=(Panel(axis, tuple(marks)),),
    )


def _starts(
    ordered: Sequence[Contribution], whole: float, without_any: float | None
) -> list[float]:
    """Where each technique's bar begins: at the end of the one before it, the first without any; or
    where it ends at the whole, if that was not trained.
    """
    if without_any is None:
        return [whole - one.effect.difference for one in ordered]
    differences = [one.effect.difference for one in ordered]
    return list(accumulate(differences[:-1], initial=without_any))


def _steps(
    ordered: Sequence[Contribution],
    at: Sequence[float],
    starts: Sequence[float],
    ends: Sequence[float],
) -> list[Bars]:
    """The bars, of one colour for each verdict."""
    made = []
    for name, verdicts, colour in VERDICTS:
        some = [
            (x, start, end)
            for one, x, start, end in zip(ordered, at, starts, ends, strict=True)
            if one.effect.verdict in verdicts
        ]
        if some:
            made.append(_bars(name, some, colour))
    return made


def _bars(name: str, spans: Sequence[tuple[float, float, float]], colour: str) -> Bars:
    return Bars(name, *_columns([(x, min(a, b), max(a, b)) for x, a, b in spans]), colour=colour)


def _columns(
    spans: Sequence[tuple[float, float, float]],
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    x, low, high = zip(*spans, strict=True)
    return x, low, high


def _intervals(
    ordered: Sequence[Contribution], starts: Sequence[float], at: Sequence[float]
) -> list[tuple[float, float, float]]:
    """Where each bar ends, by the interval of its difference."""
    return [
        (x, start + one.effect.interval[0], start + one.effect.interval[1])
        for one, start, x in zip(ordered, starts, at, strict=True)
        if one.effect.interval is not None
    ]


def _links(
    levels: Sequence[tuple[float, float]],
    at: Sequence[float],
    ends: Sequence[float],
    rest: Sequence[tuple[float, float, float]],
) -> list[Line]:
    """Thin lines from where one bar ends to where the next begins."""
    thin = Look(GRAY, "dotted", width=1.0)
    if len(levels) == 1:
        (last, whole) = levels[0]
        return [Line("", (at[0] - 0.35, last), (whole, whole), thin, listed=False)]
    points = [levels[0], *zip(at, ends, strict=True), *((x, end) for x, _, end in rest)]
    return [Line("", (x, x + 1), (level, level), thin, listed=False) for x, level in points]


def _lower(metric: str) -> str:
    words = metric_in_words(metric)
    return words if words.isupper() else words[0].lower() + words[1:]


def _note(effect: Effect, ordered: Sequence[Contribution], summed: bool) -> str:
    parts = [f"{'More' if effect.maximize else 'Less'} is better."]
    pairs = {one.effect.pairs for one in ordered}
    if any(one.effect.interval for one in ordered):
        parts.append(f"95 % intervals of the differences, {max(pairs)} pairs.")
    else:
        parts.append("One pair each: no intervals.")
    parts.append("Each technique was left out alone.")
    if not summed:
        parts.append("The bars do not add up: each ends where all techniques are on.")
    return " ".join(parts)
