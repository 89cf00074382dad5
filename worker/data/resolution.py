"""The resolution of a target: which column is predicted, as what, and why.

Decisions (task `auto`):

* A categorical target is classified, and its cells are the classes' names as they stand in the
  file. Where its numbers are the rule and its texts the exception (`mixture.py`), or its numbers
  are in a notation that is not certain, the job is refused and told how to go on: one stray text
  never makes a classification of a regression.
* A numeric target is a regression if it has more than 20 different values, or one that is not an
  integer; else its values are classes, named by their shortest decimal form ("1", not "1.0").
* Two classes make a binary task. Asked for by name, `multiclass` accepts two classes as well.
* Classes are sorted as numbers if all of them are numbers, else as strings; of a binary task the
  second one is the positive class unless the job names it. Their numbers do not depend on it.
* Rows without a target teach nothing: they are left out and counted. Where they are most, the job
  is refused unless it says `target_missing: drop`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.mixture import MOST_NUMERIC_CLASSES, SHOWN, Mixture, is_measurement, numbers_of
from worker.data.table import MISSING_CODE, Column, Table, label_of, suggest
from worker.data.target import Target, is_known
from worker.data.target_errors import (
    codes_among_numbers,
    declaration,
    mostly_without,
    not_read,
    rare_texts,
    stray_text,
    unsettled,
)
from worker.errors import DataError
from worker.results import Advice
from worker.spec import Task, TaskKind

MOST_CLASSES = 1_000
"""A target with more classes is an identifier or a measurement, not a class."""
NO_TARGET, TEXT = "no target", "text in the target"
"""Why a row is left out."""


@dataclass(frozen=True)
class Numbers:
    """What the numbers of a target are like whose task was worked out from them."""

    distinct: int
    """How many different ones there are."""
    whole: bool
    """Whether none has a fraction."""
    counted: bool
    """Whether they are 0, 1, 2, … or 1, 2, 3, …, as numbers of classes are."""

    @classmethod
    def of(cls, distinct: NDArray[np.float64]) -> Self:
        """Of different numbers, ascending."""
        first = distinct[0]
        return cls(
            distinct=distinct.size,
            whole=bool((distinct == np.floor(distinct)).all()),
            counted=bool(first in (0, 1) and (np.diff(distinct) == 1).all()),
        )


@dataclass(frozen=True, eq=False)
class Resolution:
    """A target, why it is understood so, and which rows of its table have one."""

    target: Target
    why: str
    """Why this task, in one sentence, which names the field that overrules it where one does."""
    numbers: Numbers | None
    """Of the column's numbers, where the task was worked out from them."""
    values: NDArray[Any]
    """The target of every row, as `Target.values` gives it."""
    rows: NDArray[np.int64]
    """Numbers of the rows with a target, ascending."""
    left_out: Mapping[str, int]
    """How many rows have none, by reason: `no target`, `text in the target`."""

    @classmethod
    def of(
        cls,
        table: Table,
        name: str | None,
        task: Task = "auto",
        *,
        default: str | None = None,
        positive: str | None = None,
        declared: bool = False,
        drop: bool = False,
        settled: bool = False,
    ) -> Self:
        """Decide what is predicted.

        Args:
            table: the data.
            name: the column that the job names, if it names one.
            task: what the job says of the task.
            default: the data set's own target.
            positive: the class that the job calls positive.
            declared: whether the job declares the column to be categorical.
            drop: whether rows with a text among numbers are left out, and most rows may be.
            settled: whether the job says what the marks of numbers are.

        Raises:
            DataError: no such column, no value in it, one class or one value only, a task that
                does not fit it, a text among numbers, numbers that cannot be read for certain,
                most rows without a target, or a positive class that is none.
        """
        column = _column(table, name or default)
        decision = _decide(
            table,
            column,
            task,
            declared=declared or column.declared,
            drop=drop,
            settled=settled,
        )
        target = Target(
            column=column.name,
            task=decision.task,
            classes=decision.classes,
            positive=_positive(column.name, decision, positive),
        )
        values = target.values(table)
        known = is_known(target, values)
        missing = _missing(column, table.values[column.name])
        without = int(missing.sum())
        if 2 * without > table.rows and not drop:
            raise mostly_without(column, without, table.rows)
        left_out = {NO_TARGET: without, TEXT: int((~known & ~missing).sum())}
        return cls(
            target=target,
            why=decision.why,
            numbers=decision.numbers,
            values=values,
            rows=np.flatnonzero(known).astype(np.int64),
            left_out={reason: count for reason, count in left_out.items() if count},
        )


def resolve_target(
    table: Table, name: str | None, task: Task = "auto", *, default: str | None = None
) -> Target:
    """What is predicted: column `name`, or else the data set's own target `default`.

    Raises:
        DataError: as `Resolution.of`.
    """
    return Resolution.of(table, name, task, default=default).target


def _missing(column: Column, values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(values == MISSING_CODE if column.kind == "categorical" else np.isnan(values))


def _column(table: Table, name: str | None) -> Column:
    """The target's column; one of numbers or texts."""
    if name is None:
        raise DataError(
            f"The job names no target and its data set has none of its own; set `target`. "
            f"{suggest('', table.names)}",
            code="no_target",
            param="target",
        )
    if name in table.ignored:
        raise _error(name, "is ignored under `columns`", "name another target, or do not ignore it")
    column = table.column(name, param="target")
    if column.kind == "image":
        raise _error(name, "holds images or series", "name a column of labels")
    if column.kind == "date":
        raise _error(
            name,
            "holds dates",
            f"name another target, or set `columns` to {declaration(name)} if dates are classes",
        )
    return column


@dataclass(frozen=True)
class _Decision:
    task: TaskKind
    classes: tuple[str, ...]
    why: str
    numbers: Numbers | None = None


def _decide(
    table: Table, column: Column, task: Task, *, declared: bool, drop: bool, settled: bool
) -> _Decision:
    values = table.values[column.name]
    present = values[~_missing(column, values)]
    if present.size == 0:
        raise _error(column.name, "has no value in any row", "name another target", "empty_target")
    if column.kind == "numeric":
        distinct = np.unique(present)
        if declared:
            labels = [label_of(value) for value in distinct.tolist()]
            return _classification(column.name, labels, task, _because_declared(labels))
        return _of_numbers(column, distinct, task)
    used = np.flatnonzero(np.bincount(present))  # Far faster than np.unique of a million codes.
    labels = [column.categories[code] for code in used.tolist()]
    if declared and task != "regression":
        return _classification(column.name, labels, task, _because_declared(labels))
    if declared or task in ("binary", "multiclass"):
        return _of_texts(column, labels, task)
    mixture = Mixture.of(column, values)
    finding = _finding(table, column.name, "nearly_numeric")
    nearly = mixture.is_nearly_numeric
    if mixture.is_all_numbers and finding is None:
        if task == "regression":
            return _of_numbers(column, mixture.numbers, task)
        if nearly:
            zeros = _finding(table, column.name, "leading_zeros")
            raise codes_among_numbers(column.name, mixture, zeros)
        named = table.target == column.name  # Folders and the like, which are names in any case.
        measured = Numbers.of(mixture.numbers) if mixture.is_measured and not named else None
        return _of_texts(column, labels, task, measured)
    if finding is not None and not nearly:
        nearly = mixture.rows < 2 * mixture.number_rows < 2 * mixture.rows
    if not nearly and (finding is not None or mixture.looks_numeric):
        raise not_read(column.name, mixture, finding)
    if nearly or (task == "regression" and mixture.number_rows):
        if drop:
            if not settled and (comma := mixture.first_unsettled) is not None:
                raise unsettled(column.name, *comma)
            return _of_numbers(column, mixture.numbers, task)
        raise stray_text(column.name, mixture, finding)
    settled_so = table.target == column.name or len(labels) > MOST_CLASSES or task != "auto"
    if not settled_so and mixture.holds_digits_in_rare_texts:
        raise rare_texts(column.name, len(labels), mixture)
    return _of_texts(column, labels, task)


def _of_numbers(column: Column, distinct: NDArray[np.float64], task: Task) -> _Decision:
    """A target of numbers; `distinct` are the different ones, ascending."""
    numbers = Numbers.of(distinct) if task == "auto" else None
    count = f"{distinct.size:,} different"
    if task == "regression" or (task == "auto" and is_measurement(distinct)):
        if distinct.size == 1:
            raise _error(
                column.name,
                f"has the same value, {label_of(float(distinct[0]))}, in every row",
                "name another target",
                "constant_target",
            )
        if numbers is None:
            why = _because_asked(task)
        elif numbers.whole:
            why = (
                f"The column holds {count} whole numbers, more than {MOST_NUMERIC_CLASSES}, so "
                "that they are taken to measure something; if they are classes, set `task` to "
                '"multiclass".'
            )
        else:
            why = (
                f"The column holds {count} numbers, some with a fraction, so that they are taken "
                'to measure something; if they are classes, set `task` to "multiclass".'
            )
        return _Decision("regression", (), why, numbers)
    why = _because_asked(task)
    if numbers is not None:
        why = (
            f"The column holds {count} whole numbers, at most {MOST_NUMERIC_CLASSES}, so that "
            'they are taken for classes; if they measure something, set `task` to "regression".'
        )
    labels = [label_of(value) for value in distinct.tolist()]
    return _classification(column.name, labels, task, why, numbers)


def _of_texts(
    column: Column, labels: list[str], task: Task, numbers: Numbers | None = None
) -> _Decision:
    if task == "regression":
        shown = ", ".join(repr(label) for label in labels[:SHOWN])
        raise _error(
            column.name,
            f"is categorical (it holds {shown}), which a regression cannot predict",
            'set `task` to "auto", or make every cell of the column a number'
            + (", and do not declare it categorical" if column.declared else ""),
            param="task",
        )
    if task != "auto":
        why = _because_asked(task)
    elif numbers is None:
        why = f"The column holds {len(labels):,} different texts, and texts are classes."
    else:
        why = (
            f"The column holds {len(labels):,} different numbers as texts, and texts are classes; "
            'if they measure something, set `task` to "regression".'
        )
    return _classification(column.name, labels, task, why, numbers)


def _classification(
    name: str, labels: list[str], task: Task, why: str, numbers: Numbers | None = None
) -> _Decision:
    if len(labels) > MOST_CLASSES:
        raise _error(
            name,
            f"has {len(labels):,} different values; at most {MOST_CLASSES:,} classes are told "
            "apart",
            'name another target, or set `task` to "regression" if it is a number',
            "too_many_classes",
        )
    if len(labels) == 1:
        raise _error(
            name,
            f"has one class only, {labels[0]!r}: there is nothing to tell apart",
            "add rows of another class, or name another target; a class that is written as missing "
            "cells are, such as NA, is one if `missing` names other texts or none",
            "one_class",
        )
    if task == "binary" and len(labels) > 2:
        raise _error(
            name,
            f"has {len(labels)} classes, not two",
            'set `task` to "multiclass" or "auto"',
            param="task",
        )
    binary = len(labels) == 2 and task != "multiclass"
    return _Decision("binary" if binary else "multiclass", tuple(_sorted(labels)), why, numbers)


def _because_asked(task: Task) -> str:
    return f'The job sets `task` to "{task}".'


def _because_declared(labels: list[str]) -> str:
    return (
        f"The column is declared categorical under `columns`, and its {len(labels):,} different "
        "values are classes."
    )


def _positive(name: str, decision: _Decision, positive: str | None) -> str | None:
    """The class of that name, or of that number."""
    if positive is None or positive in decision.classes:
        if positive is not None and decision.task != "binary":
            raise _not_binary(name, decision)
        return positive
    if decision.task != "binary":
        raise _not_binary(name, decision)
    same = numbers_of(decision.classes) == numbers_of((positive,))
    if same.sum() == 1:
        return decision.classes[int(np.argmax(same))]
    raise DataError(
        f"The target {name!r} has no class {positive!r}. {suggest(positive, decision.classes)}",
        code="unknown_class",
        param="positive",
        column=name,
    )


def _not_binary(name: str, decision: _Decision) -> DataError:
    classes = f" with {len(decision.classes)} classes" if decision.classes else ""
    return DataError(
        f"`positive` names a class of a binary task, but the target {name!r} is predicted as "
        f"{decision.task}{classes}. Leave it out.",
        code="not_binary",
        param="positive",
        column=name,
    )


def _finding(table: Table, name: str, code: str) -> Advice | None:
    """What the reader found of a column."""
    found = (each for each in table.findings if each.code == code)
    return next((each for each in found if each.column == name), None)


def _sorted(labels: list[str]) -> list[str]:
    try:
        numbers = {label: float(label) for label in labels}
    except ValueError:
        return sorted(labels)
    if not all(map(isfinite, numbers.values())):
        return sorted(labels)  # A class may be called NaN, which has no place among numbers.
    return sorted(labels, key=lambda label: (numbers[label], label))


def _error(
    column: str, fact: str, remedy: str, code: str = "task_mismatch", param: str = "target"
) -> DataError:
    return DataError(
        f"The target {column!r} {fact}; {remedy}.", code=code, param=param, column=column
    )
