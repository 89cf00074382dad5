"""Output: the columns of a table as they are written to files for other programs.

Decisions:

* Numbers are float64, texts are texts as they were written, a missing cell is null.
* A date is a timestamp, to the second; in a file of texts it is ISO 8601, without the time where
  that is midnight. Each cell is written by itself, so that parts of a table are written alike.
* Images are not written.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from worker.data.table import Column, Table

_DAY = 86_400


def output_columns(table: Table, names: Sequence[str], *, as_text: bool) -> dict[str, pa.Array]:
    """These columns of a table, in this order; ``as_text`` for a file that knows no dates.

    Raises:
        ValueError: one of them holds images.
    """
    return {
        name: _written(table.column(name), table.values[name], as_text=as_text) for name in names
    }


def _written(column: Column, values: NDArray[Any], *, as_text: bool) -> pa.Array:
    if column.kind == "image":
        raise ValueError(f"column {column.name!r} holds images, which are not written")
    if column.kind == "categorical":
        codes = pa.array(values, mask=values < 0)
        return pa.array(column.categories, pa.string()).take(codes)
    missing = np.isnan(values)
    if column.kind == "numeric":
        return pa.array(values, mask=missing)
    seconds = np.round(np.where(missing, 0.0, values) * _DAY).astype(np.int64)
    instants = seconds.astype("datetime64[s]")
    if not as_text:
        # Parquet knows no seconds, and would read as another type than was written.
        return pa.array(instants.astype("datetime64[ms]"), pa.timestamp("ms"), mask=missing)
    texts = np.where(
        seconds % _DAY == 0,
        np.datetime_as_string(instants, unit="D"),
        np.datetime_as_string(instants, unit="s"),
    )
    return pa.array(texts.tolist(), pa.string(), mask=missing)
