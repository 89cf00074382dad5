"""The target: which column is predicted, as what.

Decisions (task `auto`):

* A categorical target is classified.
* A numeric target is a regression if it has more than 20 different values, or one that is not an
  integer; else its values are classes, named by their shortest decimal form ("1", not "1.0").
* Two classes make a binary task. Asked for by name, `multiclass` accepts two classes as well.
* Classes are sorted as numbers if all of them are numbers, else as strings; of a binary task the
  second one is the positive class.
* Rows without a target teach nothing and are left out, not refused.
"""

import re
from math import isfinite
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from worker.data.table import MISSING_CODE, Column, Table, suggest
from worker.errors import DataError
from worker.schema import Settings
from worker.spec import Task, TaskKind

MOST_NUMERIC_CLASSES = 20
"""A numeric target with more different values than this is a regression, unless told otherwise."""
MOST_CLASSES = 1_000
"""A target with more classes is an identifier or a measurement, not a class."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,15}")


class Target(Settings):
    """What is predicted."""

    column: str
    """Name of the target's column."""
    task: TaskKind
    """`binary`, `multiclass` or `regression`."""
    classes: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """The classes' names, in the order of their numbers; empty for a regression."""
    positive: str | None = None
    """Of a binary task: the positive class, if it is not the second."""

    @property
    def positive_number(self) -> int | None:
        """The number of the positive class of a binary task; the second unless named."""
        if self.task != "binary":
            return None
        return 1 if self.positive is None else self.classes.index(self.positive)

    @property
    def outputs(self) -> int:
        """Width of the network's last layer: C for multiclass, else 1 (a logit or a value)."""
        return len(self.classes) if self.task == "multiclass" else 1

    @property
    def whole_numbers(self) -> tuple[int, ...] | None:
        """The classes as numbers, if all are whole numbers as they are usually written: "3", but
        not "03". Those that a reader of JSON may round, beyond 2⁵³, are names.
        """
        if not all(_WHOLE.fullmatch(name) for name in self.classes):
            return None
        numbers = tuple(map(int, self.classes))
        return numbers if numbers and max(map(abs, numbers)) <= 2**53 else None

    def values(self, table: Table) -> NDArray[Any]:
        """The target of every row of `table`.

        Classification: class numbers, int64, -1 where missing or of no known class. Regression:
        float64, NaN where missing; float32 would lose digits before the values are centred.
        """
        column = table.column(self.column, param="target")
        values = table.values[self.column]
        if self.task == "regression":
            return np.asarray(values, dtype=np.float64)
        number_of = {name: number for number, name in enumerate(self.classes)}
        if column.kind == "categorical":
            # The last entry is what code -1, a missing cell, indexes.
            numbers = [*(number_of.get(label, MISSING_CODE) for label in column.categories), -1]
            return np.asarray(np.array(numbers, dtype=np.int64)[values])
        distinct, inverse = np.unique(values, return_inverse=True)
        numbers = [number_of.get(_label(value), MISSING_CODE) for value in distinct.tolist()]
        return np.array(numbers, dtype=np.int64)[inverse.reshape(-1)]


def labelled_rows(table: Table, target: Target) -> NDArray[np.int64]:
    """Numbers of the rows whose target is known, ascending."""
    values = target.values(table)
    known = ~np.isnan(values) if target.task == "regression" else values != MISSING_CODE
    return np.flatnonzero(known).astype(np.int64)


def resolve_target(
    table: Table,
    name: str | None,
    task: Task = "auto",
    *,
    default: str | None = None,
) -> Target:
    """Decide what is predicted: column `name`, or else the data set's own target `default`.

    Raises:
        DataError: no such column, no value in it, one class or one value only, or a task that
            does not fit it.
    """
    chosen = name or default
    if chosen is None:
        raise DataError(
            f"The job names no target and its data set has none of its own; set `target`. "
            f"{suggest('', table.names)}",
            code="no_target",
            param="target",
        )
    column = table.column(chosen, param="target")
    if column.kind == "image":
        raise _error(chosen, "holds images or series", "name a column of labels", "task_mismatch")
    values = table.values[chosen]
    present = values[values != MISSING_CODE if column.kind == "categorical" else ~np.isnan(values)]
    distinct = np.unique(present)
    if distinct.size == 0:
        raise _error(chosen, "has no value in any row", "name another target", "empty_target")
    if task == "regression" or (task == "auto" and _is_measurement(column, distinct)):
        return _regression(column, distinct)
    return _classification(column, distinct, task)


def _is_measurement(column: Column, distinct: NDArray[Any]) -> bool:
    if column.kind == "categorical":
        return False
    return distinct.size > MOST_NUMERIC_CLASSES or bool((distinct != np.floor(distinct)).any())


def _regression(column: Column, distinct: NDArray[Any]) -> Target:
    if column.kind == "categorical":
        shown = ", ".join(repr(label) for label in column.categories[:5])
        raise _error(
            column.name,
            f"is categorical (it holds {shown}), which a regression cannot predict",
            'set `task` to "auto", or make every cell of the column a number',
            "task_mismatch",
            param="task",
        )
    if distinct.size == 1:
        raise _error(
            column.name,
            f"has the same value, {_label(float(distinct[0]))}, in every row",
            "name another target",
            "constant_target",
        )
    return Target(column=column.name, task="regression")


def _classification(column: Column, distinct: NDArray[Any], task: Task) -> Target:
    if distinct.size > MOST_CLASSES:
        raise _error(
            column.name,
            f"has {distinct.size:,} different values; at most {MOST_CLASSES:,} classes are told "
            "apart",
            'name another target, or set `task` to "regression" if it is a number',
            "too_many_classes",
        )
    if column.kind == "categorical":
        labels = [column.categories[code] for code in distinct.tolist()]
    else:
        labels = [_label(value) for value in distinct.tolist()]
    if len(labels) == 1:
        raise _error(
            column.name,
            f"has one class only, {labels[0]!r}: there is nothing to tell apart",
            "add rows of another class, or name another target",
            "one_class",
        )
    if task == "binary" and len(labels) > 2:
        raise _error(
            column.name,
            f"has {len(labels)} classes, not two",
            'set `task` to "multiclass" or "auto"',
            "task_mismatch",
            param="task",
        )
    binary = len(labels) == 2 and task != "multiclass"
    return Target(
        column=column.name,
        task="binary" if binary else "multiclass",
        classes=tuple(_sorted(labels)),
    )


def _label(value: float) -> str:
    """A number as a class name: without a needless fraction, and without loss."""
    return str(int(value)) if isfinite(value) and value.is_integer() else repr(value)


def _sorted(labels: list[str]) -> list[str]:
    try:
        return sorted(labels, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(labels)


def _error(column: str, fact: str, remedy: str, code: str, param: str = "target") -> DataError:
    return DataError(
        f"The target {column!r} {fact}; {remedy}.", code=code, param=param, column=column
    )
