"""Columns that a job uses otherwise than as features: what rows count, and what their scores begin
with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.data.splits import RowSplit
from worker.data.table import LARGEST, Column, Table
from worker.errors import DataError
from worker.spec import JobSpec

WEIGHT, OFFSET = "sample_weight", "offset"
_USES = {WEIGHT: "what a row counts", OFFSET: "what is added to a row's score"}


@dataclass(frozen=True)
class Offset:
    """A column that is added to the score."""

    column: Column
    unit: float
    """What it is divided by: the length of one unit of the target as preprocessed."""


@dataclass(frozen=True, eq=False)
class Roles:
    """The columns of a job's `sample_weight` and `offset`, and their values in some rows."""

    weight: str | None
    offset: Column | None
    """It may be missing in rows to be predicted."""
    weights: NDArray[np.float64] | None
    """[N]"""
    offsets: NDArray[np.float64] | None
    """[N]"""

    @classmethod
    def of(cls, table: Table, spec: JobSpec, target: str, rows: NDArray[np.int64]) -> "Roles":
        """Those that a job names, in its labelled rows.

        Raises:
            DataError: there is no such column, it is the target's, it holds no numbers, some are
                missing, or weights are below 0 or all 0; `param` names the setting.
        """
        if spec.sample_weight is not None and spec.sample_weight == spec.offset:
            raise _error(OFFSET, spec.offset, "is sample_weight as well", "name another column")
        weights = _numbers(table, WEIGHT, spec.sample_weight, target, rows)
        offsets = _numbers(table, OFFSET, spec.offset, target, rows)
        if weights is not None and spec.sample_weight is not None:
            if (weights < 0).any():
                raise _error(
                    WEIGHT, spec.sample_weight, "has weights below 0", "give each row one from 0 up"
                )
            if not (weights > 0).any():
                raise _error(WEIGHT, spec.sample_weight, "has no weight above 0", "weigh some rows")
        offset = None
        if spec.offset is not None:
            offset = table.column(spec.offset).model_copy(update={"optional": True})
        return cls(spec.sample_weight, offset, weights, offsets)

    def check_weights(self, splits: Sequence[RowSplit]) -> None:
        """Refuse splits in which the rows that train, or those that validate, count nothing."""
        if self.weights is None:
            return
        for number, split in enumerate(splits):
            for part in ("train", "validation"):
                rows = getattr(split, part)
                if len(rows) and not self.weights[rows].any():
                    where = f" of fold {number}" if len(splits) > 1 else ""
                    raise _error(
                        WEIGHT,
                        self.weight,
                        f"is 0 in all {part} rows{where}, which then count nothing",
                        "weigh some of them, or divide the rows otherwise",
                    )

    def relative_weights(self, splits: Sequence[RowSplit]) -> NDArray[np.float32] | None:
        """[S, N], divided by their mean over each split's training rows."""
        if self.weights is None:
            return None
        means = [self.weights[split.train].mean() for split in splits]
        return np.stack([self.weights / mean for mean in means]).astype(np.float32)

    def offset_inputs(self, units: NDArray[np.float64]) -> NDArray[np.float32] | None:
        """[S, N]: the offsets in units of each split's target, as an encoder has them."""
        if self.offsets is None:
            return None
        with np.errstate(over="ignore"):
            inputs = np.clip(self.offsets / units[:, None], -LARGEST, LARGEST)
        return inputs.astype(np.float32)

    @property
    def names(self) -> Mapping[str, str]:
        """The columns that are no features, and what they are."""
        offset = {} if self.offset is None else {self.offset.name: OFFSET}
        return offset if self.weight is None else {self.weight: WEIGHT, **offset}


def _numbers(
    table: Table, role: str, name: str | None, target: str, rows: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    if name is None:
        return None
    if name == target:
        raise _error(role, name, "is the target", "name another column")
    if name in table.ignored:
        raise _error(role, name, "is ignored under `columns`", "do not ignore it")
    column = table.column(name, param=role)
    if column.kind != "numeric":
        raise _error(role, name, f"is {column.kind}", "name a column of numbers")
    values: NDArray[np.float64] = table.values[name][rows].astype(np.float64)
    missing = int(np.isnan(values).sum())
    if missing:
        raise _error(role, name, f"is missing in {missing:,} rows with a target", "fill them in")
    return values


def _error(role: str, name: str | None, fault: str, remedy: str) -> DataError:
    return DataError(
        f"The column {name!r}, {_USES[role]}, {fault}; {remedy}.",
        code=f"invalid_{role}",
        param=role,
        column=name,
    )
