"""What a job makes of its data: the target, and the columns that say something of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.division import set_aside
from worker.data.inputs import width
from worker.data.parts import first_values
from worker.data.resolution import Resolution
from worker.data.roles import WEIGHT, Roles
from worker.data.splits import RowSplit
from worker.data.table import MISSING_CODE, Column, Table
from worker.errors import DataError
from worker.results import CLASSES_SHOWN, RowCounts, Understood
from worker.spec import JobSpec, PoissonLoss, Task
from worker.text import shortened

UNUSED = "in no part of the split"
"""Why a row with a target is left out."""
_FIRST_ROWS = 1_000
"""Rows within which a column that varies usually does."""
_LONGEST = 200
"""Characters of a list of columns in a message."""


@dataclass(frozen=True, eq=False)
class JobData:
    """A table as a job uses it: its target, and the columns that say something."""

    table: Table
    """Its date columns know whether they have a time of day."""
    resolution: Resolution
    columns: tuple[Column, ...]
    """The features."""
    left_out: Mapping[str, str]
    """The other columns: name → `constant`, `empty`, `ignored` or `sample_weight`; of those that
    divide the rows `folds`, `groups` or `order`."""
    roles: Roles
    """What its rows count, and what their scores begin with."""

    @classmethod
    def of(cls, table: Table, spec: JobSpec, default_target: str | None = None) -> Self:
        """Decide what is predicted from what.

        Raises:
            DataError: as `Resolution.of`, or there is no column to learn from.
        """
        name = spec.target or default_target
        resolution = Resolution.of(
            table,
            name,
            _task(table, name, spec),
            positive=spec.positive,
            declared=name is not None and spec.columns.get(name) == "categorical",
            drop=spec.target_missing == "drop",
            settled=spec.decimal is not None or spec.thousands is not None,
        )
        table = with_times(table)
        roles = Roles.of(table, spec, resolution.target.column, resolution.rows)
        taken = (resolution.target.column, *roles.names)
        columns, left_out = informative(table, taken, resolution.rows, set_aside(spec))
        if roles.weight is not None:
            left_out[roles.weight] = WEIGHT
        _check_loss(spec, resolution)
        if width(columns) == 0:
            others = ", ".join(f"{name!r} is {reason}" for name, reason in left_out.items())
            raise DataError(
                f"Beside the target {resolution.target.column!r} the table has no column with "
                "values to learn from"
                f"{f' ({shortened(others, _LONGEST)})' * bool(others)}; upload one that has.",
                code="no_features",
                param="dataset",
            )
        _check_alone(columns)
        return cls(table, resolution, columns, left_out, roles)

    def understood(self, split: RowSplit | None = None) -> Understood:
        """What is predicted and why; with a split, from the rows that are in it."""
        resolution = self.resolution
        target, number = resolution.target, resolution.target.positive_number
        used = labelled = len(resolution.rows)
        if split is not None:
            used = len(split.train) + len(split.validation) + len(split.test)
        unused = {UNUSED: labelled - used} if used < labelled else {}
        return Understood(
            target=target.column,
            task=target.task,
            classes=list(target.classes[:CLASSES_SHOWN]),
            classes_count=len(target.classes),
            positive=None if number is None else target.classes[number],
            why=resolution.why,
            rows=RowCounts(used=used, left_out={**resolution.left_out, **unused}),
            features=len(self.columns),
            left_out=dict(islice(self.left_out.items(), CLASSES_SHOWN)),
        )


def _task(table: Table, target: str | None, spec: JobSpec) -> Task:
    """The task as the job has it; a loss of numbers says it too, if the target has numbers."""
    numeric = any(column.name == target and column.kind == "numeric" for column in table.columns)
    return "regression" if spec.task == "auto" and spec.loss is not None and numeric else spec.task


def _check_loss(spec: JobSpec, resolution: Resolution) -> None:
    """Refuse a loss that is not one of the target's.

    Raises:
        DataError: it is one of numbers and there are classes, or one of counts and some are below
            0, or all are 0.
    """
    loss, target = spec.loss, resolution.target
    if loss is None:
        return
    if target.task != "regression":
        raise DataError(
            f"The loss {loss.kind} is one of numbers, and {target.column!r} has classes; leave "
            '`training.loss` out, or set `task` to "regression".',
            code="invalid_loss",
            param="training.loss",
        )
    values = resolution.values[resolution.rows]
    if isinstance(loss, PoissonLoss) and ((values < 0).any() or not (values > 0).any()):
        fault = "has numbers below 0" if (values < 0).any() else "is 0 in all rows"
        raise DataError(
            f"The loss poisson is one of counts, from 0 up, and {target.column!r} {fault}; choose "
            "another loss.",
            code="invalid_loss",
            param="training.loss",
        )


def understand(table: Table, spec: JobSpec, default_target: str | None = None) -> Understood:
    """What a job predicts, from which rows and columns, and why; its split is not looked at.

    Raises:
        DataError: the data and the target do not go together.
    """
    return JobData.of(table, spec, default_target).understood()


def with_times(table: Table) -> Table:
    """The table, whose date columns know whether some cell has a time of day."""
    columns = tuple(
        column
        if column.kind != "date"
        else column.model_copy(update={"time_of_day": _has_times(table, column.name)})
        for column in table.columns
    )
    return replace(table, columns=columns)


def _has_times(table: Table, name: str) -> bool:
    counted = table.counts.get(name)
    return has_times(table.values[name]) if counted is None else counted.time_of_day


def has_times(dates: NDArray[np.float64]) -> bool:
    """Whether some of these days have a time."""
    return bool((dates[~np.isnan(dates)] % 1 != 0).any())


def informative(
    table: Table, taken: Collection[str], rows: NDArray[np.int64], aside: Mapping[str, str]
) -> tuple[tuple[Column, ...], dict[str, str]]:
    """The columns beside those taken that say something in `rows`, and why the others do not.

    Those that are set `aside` are no features, for the reason that is given.
    """
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    for column in table.columns:
        if column.name in taken:
            continue
        if column.name in aside:
            left_out[column.name] = aside[column.name]
            continue
        silence = _silence(table, column, rows)
        if silence == "varies":
            columns.append(column)
        else:
            left_out[column.name] = silence
    return tuple(columns), left_out | dict.fromkeys(table.ignored, "ignored")


def _silence(table: Table, column: Column, rows: NDArray[np.int64]) -> str:
    """Whether a column is `constant` or `empty` in some rows, or `varies`. A missing category says
    something; a missing number does not, since it is filled in.
    """
    if column.kind == "image":
        return "varies"
    counted = table.counts.get(column.name)
    known = None if counted is None else counted.silence(table.rows, len(rows))
    if known is not None:
        return known
    # Most columns vary within their first rows, and the others need not be read.
    first = first_values(table, column.name, _FIRST_ROWS)
    if _said(column, first[rows[: np.searchsorted(rows, len(first))]]) == "varies":
        return "varies"
    values = table.values[column.name]
    return _said(column, values if len(rows) == table.rows else values[rows])


def _said(column: Column, values: NDArray[Any]) -> str:
    missing = values == MISSING_CODE if column.kind == "categorical" else np.isnan(values)
    present = values[~missing]
    if present.size and (present != present[0]).any():
        return "varies"
    if column.kind == "categorical" and present.size and missing.any():
        return "varies"
    return "constant" if present.size else "empty"


def _check_alone(columns: tuple[Column, ...]) -> None:
    image = next((column for column in columns if column.kind == "image"), None)
    if image is None or len(columns) == 1:
        return
    names = ", ".join(repr(column.name) for column in columns if column is not image)
    others = shortened(names, _LONGEST)
    raise DataError(
        f"Column {image.name!r} holds images or series; networks take them alone, without "
        f"{others}. Upload a data set of that column and the target.",
        code="mixed_features",
        param="dataset",
    )
