"""What is measured of the final weights alone: thresholds, the metrics of probabilities, curves."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from worker.data import Prepared, Target
from worker.metrics import (
    Rule,
    choose_threshold,
    final_classification,
    final_regression,
    margins,
    measured_parts,
    part_curves,
)
from worker.results import Advice, Curves, PartCurves
from worker.text import shortened
from worker.training.engine import Engine, part_of
from worker.training.fleet_data import PARTS
from worker.training.metrics import answered

Threshold = Rule | float | Sequence[float]
"""Of two classes: what the threshold is to be best in on the validation rows, or what it is, of all
trials or of each."""
MOST_CURVES = 32
"""Trials of a fleet whose curves are kept, the best by their loss; fewer of many classes."""
MOST_CELLS = 40_000
"""Cells of the confusion matrices that are kept of a fleet's trials; one trial always is."""
MOST_SCORES = 8_000_000
"""Scores that are held at a time, of some trials and all rows of a part."""
LONGEST_CLASS = 100
NAMED_CLASSES = 100


@dataclass(frozen=True)
class FinalMeasures:
    """What the final weights of K trials come to, beside the metrics of every epoch."""

    metrics: dict[str, list[float]]
    """By name, one value a trial; NaN where one is not defined."""
    curves: list[Curves | None]
    """Of each trial; none of regressions, and of those that are not among the best."""


def set_thresholds(
    engine: Engine, prepared: Prepared, threshold: Threshold | None
) -> list[float | None]:
    """Give each trial its threshold; say which it is, where one was asked for.

    One that is to be chosen is chosen on the validation rows. Where there are none, or they are
    all of one class, it stays at one half, and the trial has none to show.
    """
    count = len(engine.trials)
    if threshold is None or prepared.target.task != "binary":
        return [None] * count
    if isinstance(threshold, str):
        chosen = np.full(count, np.nan)
        if engine.data.rows("validation"):
            for some, part in _parts(engine, prepared, "validation"):
                scores, y = _scores(part, "validation")
                positive = engine.data.positive
                chosen[some] = choose_threshold(margins(scores, positive), y == positive, threshold)
    else:
        chosen = np.broadcast_to(np.asarray(threshold, dtype=np.float64), (count,))
    served = np.where(np.isnan(chosen), 0.5, chosen)
    engine.thresholds.copy_(torch.from_numpy(served))
    return [None if math.isnan(value) else value for value in chosen.tolist()]


def measure_finals(
    engine: Engine,
    prepared: Prepared,
    objective: Sequence[float | None],
) -> FinalMeasures:
    """Measure the final weights on the rows that are held out, or on all where none are.

    ``objective`` is smaller for better trials: the best of them get curves. Thresholds are set.
    """
    data = engine.data
    parts = measured_parts({part: data.rows(part) > 0 for part in PARTS})
    curved = set(_curved(prepared.target, objective))
    metrics: dict[str, list[float]] = {}
    of_parts: dict[int, dict[str, PartCurves]] = {trial: {} for trial in curved}
    for part in parts:
        for some, engine_of in _parts(engine, prepared, part):
            scores, y = _scores(engine_of, part)
            if data.task == "regression":
                unit, center = engine_of.data.unit, engine_of.data.center
                values = data.loss.mean(torch.from_numpy(scores))[..., 0].numpy()
                found = final_regression(
                    values, y, unit.cpu().numpy(), center.cpu().numpy(), data.quantile
                )
            else:
                found = final_classification(scores, y, data.positive)
                answers = answered(
                    torch.from_numpy(scores), data.positive, engine_of.thresholds.cpu()
                )
                for row, trial in enumerate(some):
                    if trial in curved:
                        of_parts[trial][part] = part_curves(
                            scores[row], y[row], answers[row].numpy(), data.positive
                        )
            for name, values in found.items():
                metrics.setdefault(f"{part}_{name}", []).extend(values.tolist())
    served = engine.thresholds.tolist()
    return FinalMeasures(
        metrics=metrics,
        curves=[
            _curves(prepared.target, data.positive, served[trial], of_parts[trial])
            if trial in curved
            else None
            for trial in range(len(engine.trials))
        ],
    )


def _parts(engine: Engine, prepared: Prepared, part: str) -> Iterator[tuple[list[int], Engine]]:
    """The trials of an engine, so many at a time as their scores fit; all of them if they do."""
    count, rows = len(engine.trials), engine.data.rows_measured(part)
    size = max(1, MOST_SCORES // max(1, rows * engine.outputs))
    if size >= count:
        yield list(range(count)), engine
        return
    for start in range(0, count, size):
        group = list(range(start, min(start + size, count)))
        yield group, part_of(engine, prepared, group)


def _scores(engine: Engine, part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    scores, y = engine.scores(part)
    truth = y if engine.data.task == "regression" else y.long()
    return scores.cpu().contiguous().numpy(), truth.cpu().contiguous().numpy()


def _curved(target: Target, objective: Sequence[float | None]) -> list[int]:
    """The trials whose curves are kept."""
    if target.task == "regression":
        return []
    most = min(MOST_CURVES, max(1, MOST_CELLS // len(target.classes) ** 2))
    ranked = sorted((value, trial) for trial, value in enumerate(objective) if value is not None)
    return [trial for _, trial in ranked[:most]]


def _curves(
    target: Target, positive: int, threshold: float, parts: dict[str, PartCurves]
) -> Curves:
    of_two = len(target.classes) == 2
    names = target.classes if len(target.classes) <= NAMED_CLASSES else ()
    return Curves(
        classes=[shortened(name, LONGEST_CLASS) for name in names],
        positive=shortened(target.classes[positive], LONGEST_CLASS) if of_two else None,
        threshold=threshold if of_two else None,
        parts=parts,
    )


def threshold_advice(name: str) -> Advice:
    """That a threshold could not be chosen."""
    return Advice(
        severity="warning",
        code="threshold_not_chosen",
        field="threshold",
        message=(
            f"No threshold could be chosen for {name}: its validation rows are all of one class. "
            "It answers the positive class from a probability of 0.5 on."
        ),
        evidence={},
        fix="Set split.validation higher, or give the threshold as a number, such as 0.3.",
    )
