"""The truth that a file holds of its rows: the cells of the target's column, as its values."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from worker.data.notation import Notation
from worker.data.table import Table, categorical, is_missing, numeric
from worker.data.target import Target


def true_values(target: Target, cells: pa.Array, notation: Notation | None) -> NDArray[Any]:
    """The target's values in a column of a file, ``[N]``, as `Target.values` has those of a table.

    Args:
        target: what is predicted.
        cells: texts, numbers or booleans.
        notation: how numbers are written in texts, if not plainly.
    """
    if pt.is_dictionary(cells.type):
        cells = pc.cast(cells, cells.type.value_type)
    name = target.column
    if pt.is_integer(cells.type) or pt.is_floating(cells.type) or pt.is_decimal(cells.type):
        numbers = pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return target.values(Table.of([numeric(name, numbers)]))
    encoded = pc.dictionary_encode(pc.utf8_trim_whitespace(pc.cast(cells, pa.string())))
    distinct = encoded.dictionary.to_pylist()
    # A class may be called as a missing cell is elsewhere.
    absent = [text not in target.classes and is_missing(text) for text in distinct]
    lookup = np.array([-1 if gone else at for at, gone in enumerate(absent)] + [-1])
    places = pc.fill_null(encoded.indices, len(distinct)).to_numpy(zero_copy_only=False)
    column, codes = categorical(name, distinct, lookup[places])
    column = column.model_copy(update={"notation": notation})
    return target.values(Table.of([(column, codes)]))
