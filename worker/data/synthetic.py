"""Synthetic rows, on which the speed of training is measured before a job is accepted.

Their shapes and widths are those of the job; their numbers lie in the columns' ranges.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.dataset import Outline, Prepared, target_numbers
from worker.data.encoder import Encoder
from worker.data.splits import RowSplit
from worker.data.statistics import ColumnStatistics, TableStatistics
from worker.data.table import Table
from worker.spec import JobSpec


def synthetic_rows(
    statistics: TableStatistics, spec: JobSpec, outline: Outline, *, train: int, held_out: int
) -> Prepared:
    """`train` and `held_out` rows as the job may see them, the same in every split."""
    rows = train + held_out
    chance = np.random.default_rng(0)
    features = set(outline.columns)
    used = [one for one in statistics.columns if one.column.name in features]
    columns = statistics.named_columns()
    table = Table.of((columns[one.column.name], _cells(one, rows, chance)) for one in used)
    places = np.arange(rows, dtype=np.int64)
    splits = (RowSplit(places[:train], places[train:], places[:0]),) * len(outline.train_rows)
    encoder = Encoder.fit(table, outline.columns, splits[0].train, spec.preprocessing)
    target = outline.target
    labels: NDArray[Any] = places % max(len(target.classes), 1)
    if target.task == "regression":
        labels = chance.normal(size=rows)
    y, center, scale = target_numbers(target, labels, splits, spec.preprocessing)
    return Prepared(
        target=target,
        features=outline.columns,
        splits=splits,
        encoders=(encoder,) * len(splits),
        x=np.repeat(encoder.transform(table)[None], len(splits), axis=0),
        y=y,
        target_center=center,
        target_scale=scale,
        row_numbers=places,
    )


def _cells(counted: ColumnStatistics, rows: int, chance: np.random.Generator) -> NDArray[Any]:
    column = counted.column
    if column.kind == "image":
        return chance.random((rows, *column.shape), dtype=np.float32)
    if column.kind == "categorical":
        return chance.integers(0, max(counted.categories_count, 1), rows, dtype=np.int32)
    low, high = counted.minimum or 0.0, counted.maximum or 0.0
    return low + (high - low) * chance.random(rows)
