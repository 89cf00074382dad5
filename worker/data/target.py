"""The target: what is predicted, and its values in a table. How it is decided: `resolution.py`."""

import re
from math import isfinite, isnan
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from worker.data.mixture import column_numbers, numbers_of
from worker.data.table import MISSING_CODE, Table, label_of
from worker.schema import Settings
from worker.spec import TaskKind

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
    """Of a binary task: the class that the job calls positive; the second one if it names none."""

    @property
    def outputs(self) -> int:
        """Width of the network's last layer: C for multiclass, else 1 (a logit or a value)."""
        return len(self.classes) if self.task == "multiclass" else 1

    @property
    def positive_number(self) -> int | None:
        """Of a binary task, 0 or 1: the number of the class that recall, precision and the
        threshold are about. None for the other tasks.
        """
        if self.task != "binary":
            return None
        return 1 if self.positive is None else self.classes.index(self.positive)

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
        float64, NaN where missing or a text; float32 would lose digits before the values are
        centred. A cell that is no class as it is written may be one as a number.
        """
        column = table.column(self.column, param="target")
        values = table.values[self.column]
        if column.kind == "categorical":
            # The last entry is what code -1, a missing cell, indexes.
            if self.task == "regression":
                return np.asarray(np.append(column_numbers(column), np.nan)[values])
            numbers = self._numbers(column.categories, column_numbers(column))
            return np.asarray(np.append(numbers, MISSING_CODE)[values])
        if self.task == "regression":
            return np.asarray(values, dtype=np.float64)
        distinct, inverse = np.unique(values, return_inverse=True)
        # No class has an empty name, but one may be called nan.
        labels = tuple("" if isnan(value) else label_of(value) for value in distinct.tolist())
        return self._numbers(labels, distinct)[inverse.reshape(-1)]

    def _numbers(self, labels: tuple[str, ...], values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class that each label names, by its text or else by its value; -1 for none."""
        number_of = {name: number for number, name in enumerate(self.classes)}
        numbers = np.array([number_of.get(label, MISSING_CODE) for label in labels], dtype=np.int64)
        unknown = np.flatnonzero(numbers == MISSING_CODE)
        by_value = {
            value: number
            for number, value in reversed(list(enumerate(numbers_of(self.classes).tolist())))
            if isfinite(value)
        }
        if unknown.size and by_value:
            others = values[unknown].tolist()
            numbers[unknown] = [by_value.get(value, MISSING_CODE) for value in others]
        return numbers


def labelled_rows(table: Table, target: Target) -> NDArray[np.int64]:
    """Numbers of the rows whose target is known, ascending."""
    return np.flatnonzero(is_known(target, target.values(table))).astype(np.int64)


def is_known(target: Target, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the target's values are none that is missing."""
    return np.asarray(~np.isnan(values) if target.task == "regression" else values != MISSING_CODE)
