"""Answers as columns of a table, beside the columns that the rows came with.

A column ``prediction``: a class, as a text, or as a whole number where all classes are such; or a
value. Then, of classes, ``probability_<class>`` for each in the order of the target's classes. Then
what further was asked for: ``<name>``, or ``<name>_<class>`` where it has an entry for each class,
or ``<name>_0``, ``<name>_1`` and so on; ``interval_low`` and ``interval_high``, or, of classes,
``in_set_<class>`` for each. A name that is taken gets ``_1``, or the first number that
is free.
"""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from worker.data import Target
from worker.models.answers import Answers

PREDICTION = "prediction"
PROBABILITY = "probability"


def answer_columns(answers: Answers, taken: Collection[str]) -> dict[str, pa.Array]:
    """The answers to N rows, by column: each ``[N]``, in the types that the answers have.

    ``taken`` are the names of the other columns of the table. The names follow from the target,
    ``taken`` and what was asked for, so that all parts of a file have the same.
    """
    used = set(taken)
    columns: dict[str, pa.Array] = {}
    for name, values in _columns(answers):
        free = _free(name, used)
        used.add(free)
        columns[free] = values
    return columns


def true_column(target: Target, values: NDArray[Any]) -> pa.Array:
    """The truth of N rows, `Target.values` with none missing, in the types that answers have."""
    if target.task == "regression":
        return pa.array(np.asarray(values, dtype=np.float64))
    return _labels(target, np.asarray(values, dtype=np.int64))


def _columns(answers: Answers) -> Iterator[tuple[str, pa.Array]]:
    classes = answers.target.classes
    if answers.values is not None:
        yield PREDICTION, pa.array(answers.values)
    if answers.best is not None:
        yield PREDICTION, _labels(answers.target, answers.best)
    if answers.probabilities is not None:
        for name, column in zip(classes, answers.probabilities.T, strict=True):
            yield f"{PROBABILITY}_{name}", pa.array(np.ascontiguousarray(column))
    for name, further in answers.further.items():
        if further.ndim == 1:
            yield name, pa.array(further)
            continue
        flat = further.reshape(len(further), -1)
        of_classes = classes and flat.shape[1] == len(classes)
        ends = classes if of_classes else tuple(map(str, range(flat.shape[1])))
        for end, column in zip(ends, flat.T, strict=True):
            yield f"{name}_{end}", pa.array(np.ascontiguousarray(column))
    if answers.interval is not None:
        for end, column in zip(("low", "high"), answers.interval.T, strict=True):
            yield f"interval_{end}", pa.array(np.ascontiguousarray(column))
    if answers.sets is not None:
        for name, column in zip(classes, answers.sets.T, strict=True):
            yield f"in_set_{name}", pa.array(np.ascontiguousarray(column))


def _labels(target: Target, best: NDArray[np.int64]) -> pa.Array:
    if target.whole_numbers is not None:
        return pa.array(np.array(target.whole_numbers, dtype=np.int64)[best])
    classes: Any = pa.array(target.classes, type=pa.string())
    return classes.take(pa.array(best))


def _free(name: str, used: Collection[str]) -> str:
    if name not in used:
        return name
    number = 1
    while f"{name}_{number}" in used:
        number += 1
    return f"{name}_{number}"
