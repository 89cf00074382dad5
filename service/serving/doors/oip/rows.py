"""Rows: what the tensors of a request are to a model.

Decisions:

* A table comes by columns, one tensor each, of shape [N] or [N, 1], by the columns' names: in any
  order, and with the target or columns that were left out among them, which are not read.
* A table of numeric columns alone may come as one matrix [N, P] in the columns' order instead. Its
  name is free, since clients call it what they like: a lone tensor of rank 2 is the matrix.
* Images come as one tensor [N, C, H, W], whose name is free too. The axis of a single channel may
  be missing; channels may be last where that cannot be mistaken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.serving.doors.oip.tensors import Tensor, wrong
from worker.data import is_numeric
from worker.models import TrainedModel
from worker.results import PredictionWarning

MOST_ROWS = 100_000
"""As many as a request of `/v1` may have."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRows:
    """Rows, encoded."""

    features: NDArray[np.float32]
    """[N, …]"""
    warnings: Sequence[PredictionWarning]
    """What they hold that training did not."""


def encode(model: TrainedModel, inputs: Sequence[Tensor], *, extra: bool) -> EncodedRows:
    """Read and encode the rows of a request.

    Args:
        model: the model that they are for.
        inputs: the request's tensors, one at least.
        extra: whether there may be tensors that the model does not know.

    Raises:
        InvalidError: a tensor is of a shape that the model does not take.
        DataError: a column is absent, unknown, or holds what its kind does not.
    """
    first = inputs[0]
    shape = first.values.shape
    if not shape:
        raise wrong("inputs.0.shape", "must have an axis for the rows")
    if shape[0] > MOST_ROWS:
        raise wrong("inputs.0.shape", f"has {shape[0]:,} rows; send at most {MOST_ROWS:,} at once")
    alone = len(inputs) == 1
    if model.encoder.pixels is not None:
        name = model.encoder.columns[0].name
        arrays = {name if alone else tensor.name: tensor.values for tensor in inputs}
    elif alone and len(shape) == 2 and model.encoder.takes_numbers and is_numeric(first.values):
        return _matrix(model, first.values)
    else:
        arrays = {
            tensor.name: _column(tensor, number, shape[0]) for number, tensor in enumerate(inputs)
        }
    records = model.read_arrays(arrays, extra=extra)
    return EncodedRows(model.encode(records.table), model.surprises(records))


def _matrix(model: TrainedModel, matrix: NDArray[Any]) -> EncodedRows:
    rows, width = matrix.shape
    names = [column.name for column in model.encoder.columns]
    if width != len(names):
        raise wrong(
            "inputs.0.shape",
            f"has {width:,} columns; the model takes {len(names):,}, in this order: "
            f"{', '.join(names[:20])}{', …' if len(names) > 20 else ''}",
        )
    if not rows:
        raise wrong("inputs.0.shape", "has no rows; give at least one")
    plain = None if model.plain is None else model.plain.matrix_features(matrix)
    if plain is not None:
        return EncodedRows(plain, ())
    return EncodedRows(model.encode_numbers(matrix), model.number_surprises(matrix))


def _column(tensor: Tensor, number: int, rows: int) -> NDArray[Any]:
    shape = tensor.values.shape
    if shape not in ((rows,), (rows, 1)):
        raise wrong(
            f"inputs.{number}.shape",
            f"is {list(shape)}; a column has shape [{rows}] or [{rows}, 1]. A matrix of all "
            "columns comes alone, and where all of them are numeric.",
        )
    return tensor.values.reshape(rows)
