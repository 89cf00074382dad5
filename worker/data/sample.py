"""A few rows of a job's data, prepared as all of them would be: what a probe trains on."""

import numpy as np

from worker.data.dataset import Outline, Prepared, target_numbers
from worker.data.encoder import Encoder
from worker.data.splits import RowSplit
from worker.data.table import Table
from worker.data.target import labelled_rows
from worker.spec.job import JobSpec


def sample(table: Table, spec: JobSpec, outline: Outline, *, train: int, held_out: int) -> Prepared:
    """So many rows, spread over the table, the same in every split.

    Encoded by constants of their own, so the numbers are not those that the job will see. Their
    sizes are.
    """
    numbers = labelled_rows(table, outline.target)
    picked = np.linspace(0, len(numbers) - 1, train + held_out).astype(np.int64)
    rows = table.select(numbers[picked])
    features = tuple(name for name in table.names if name != outline.target.column)
    every = np.arange(train + held_out, dtype=np.int64)
    splits = (RowSplit(every[:train], every[train:], every[:0]),) * len(outline.train_rows)
    encoder = Encoder.fit(rows, features, splits[0].train, spec.preprocessing)
    y, center, scale = target_numbers(
        outline.target, outline.target.values(rows), splits, spec.preprocessing
    )
    return Prepared(
        target=outline.target,
        features=features,
        splits=splits,
        encoders=(encoder,) * len(splits),
        x=np.repeat(encoder.transform(rows)[None], len(splits), axis=0),
        y=y,
        target_center=center,
        target_scale=scale,
        row_numbers=numbers[picked],
    )
