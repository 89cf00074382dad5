"""The picture of a path: weights, non-zero weights and the loss against the logarithm of λ."""

from collections.abc import Sequence

from service.charts.palette import BLACK, BLUE, GRAY, GREEN, VERMILION, Look, look
from service.charts.picture import (
    Band,
    Line,
    Panel,
    Picture,
    axis_over,
    digits,
    name_of,
)
from service.charts.words import field_name, label, titled
from service.path_report import MOST_WEIGHTS
from worker.results import PathReport, WeightPath


def path_picture(
    path: PathReport, *, most: int, job_name: str, task: str | None, replicas: str
) -> Picture:
    """Weights, the share of weights that are 0 and the loss, over log λ.

    λ_min has the smallest mean validation loss; λ_1SE is the strongest with a mean no further from
    it than one standard error of it (Breiman et al. 1984, §3.4.3; as glmnet marks them). Points at
    0, which have no logarithm, are left out.
    """
    seen = [n for n, value in enumerate(path.log) if value is not None]
    x = tuple(value for value in path.log if value is not None)
    marks = _marks(path, seen)
    panels = []
    if path.weights:
        panels.append(_weights(path, seen, x, most))
    panels += [_zeros(path, seen, x), _losses(path, seen, x, task)]
    panels = [
        _with_marks(panel, marks, named=n == len(panels) - 1) for n, panel in enumerate(panels)
    ]
    return Picture(
        title=titled(f"Path over {field_name(path.over)}", job_name),
        note=_note(path, most, replicas),
        x=axis_over(f"log λ: natural logarithm of {field_name(path.over)}", x, tight=True),
        panels=tuple(panels),
        height=720 if path.weights else 560,
    )


def _weights(path: PathReport, seen: Sequence[int], x: tuple[float, ...], most: int) -> Panel:
    """The largest weights, in the order in which they enter."""
    chosen = sorted(sorted(path.weights, key=_size, reverse=True)[:most], key=_enters)
    lines = [
        Line(
            name_of(
                weight.feature if weight.output is None else f"{weight.feature} → {weight.output}"
            ),
            x,
            tuple(weight.values[n] for n in seen),
            look(number),
        )
        for number, weight in enumerate(chosen)
    ]
    values = [value for line in lines for value in line.y]
    unit = "Weight, as preprocessed"
    return Panel(axis_over(unit, values, zero=True), tuple(lines), share=4)


def _size(weight: WeightPath) -> float:
    return max((abs(value) for value in weight.values if value is not None), default=0.0)


def _enters(weight: WeightPath) -> int:
    return len(weight.values) if weight.enters is None else weight.enters


def _zeros(path: PathReport, seen: Sequence[int], x: tuple[float, ...]) -> Panel:
    """How many weights are not 0, where all are known; else the share of those that are."""
    look_of_it = Look(colour=BLACK)
    if 0 < len(path.weights) < MOST_WEIGHTS:
        counts = [_count(path.weights, n) for n in seen]
        line = Line("", x, tuple(counts), look_of_it, listed=False)
        axis = axis_over(
            "Weights not 0", [*counts, float(len(path.weights))], zero=True, whole=True, ticks=4
        )
        return Panel(axis, (line,), share=2)
    shares = [None if path.sparsity[n] is None else 100 * (path.sparsity[n] or 0.0) for n in seen]
    line = Line("", x, tuple(shares), look_of_it, listed=False)
    return Panel(axis_over("Weights at 0 (%)", [0.0, 100.0], ticks=4), (line,), share=2)


def _count(weights: Sequence[WeightPath], point: int) -> float | None:
    values = [weight.values[point] for weight in weights]
    if any(value is None for value in values):
        return None
    return float(sum(value != 0 for value in values))


def _losses(path: PathReport, seen: Sequence[int], x: tuple[float, ...], task: str | None) -> Panel:
    """The validation loss with its standard error; the training loss dashed."""
    losses = [path.validation_loss[n] for n in seen]
    trained = [path.train_loss[n] for n in seen]
    errors = [path.validation_error[n] for n in seen]
    held_out = any(value is not None for value in losses)
    lines: list[Line | Band] = []
    low = [_plus(loss, error, -1) for loss, error in zip(losses, errors, strict=True)]
    high = [_plus(loss, error, 1) for loss, error in zip(losses, errors, strict=True)]
    if any(value is not None for value in low):
        lines.append(Band("", x, tuple(low), tuple(high), BLUE))
    if held_out:
        lines.append(Line("Validation loss", x, tuple(losses), Look(BLUE, width=2.5)))
    lines.append(Line("Training loss", x, tuple(trained), Look(VERMILION, "dashed")))
    axis = axis_over(label("loss", task), [*losses, *trained, *low, *high])
    return Panel(axis, tuple(lines), share=3)


def _plus(loss: float | None, error: float | None, sign: int) -> float | None:
    return None if loss is None or error is None else loss + sign * error


def _marks(path: PathReport, seen: Sequence[int]) -> list[tuple[str, float, Look]]:
    """λ_min and λ_1SE, as far as they are known: name, log λ, look."""
    known = [(loss, n) for n in seen if (loss := path.validation_loss[n]) is not None]
    if not known:
        return []
    smallest, at = min(known)
    marks = [_mark("λ_min", path, at, Look(GREEN, "dash-dot", width=2.0))]
    error = path.validation_error[at]
    if error is not None:
        good = [n for loss, n in known if loss <= smallest + error]
        strongest = max(good, key=lambda n: path.values[n])
        marks.append(_mark("λ_1SE", path, strongest, Look(GRAY, "dotted", width=2.0)))
    return marks


def _mark(name: str, path: PathReport, point: int, look_of_it: Look) -> tuple[str, float, Look]:
    log = path.log[point]
    return f"{name} = {digits(path.values[point])}", 0.0 if log is None else log, look_of_it


def _with_marks(panel: Panel, marks: Sequence[tuple[str, float, Look]], *, named: bool) -> Panel:
    """The panel with an upright line at each mark; one panel's are in the legend."""
    lines = tuple(
        Line(name if named else "", (at, at), (panel.y.low, panel.y.high), drawn, listed=named)
        for name, at, drawn in marks
    )
    return Panel(panel.y, (*panel.marks, *lines), panel.share)


def _note(path: PathReport, most: int, replicas: str) -> str:
    parts = []
    if len(path.weights) > most:
        parts.append(f"The {most} largest of {len(path.weights)} weights.")
    if replicas:
        if path.weights:
            parts.append("Weights of the first fold or repeat.")
        parts.append(f"Loss: mean over {replicas}; band: ± 1 standard error.")
    if any(value is None for value in path.log):
        parts.append("Without the points at 0, which have no logarithm.")
    return " ".join(parts)
