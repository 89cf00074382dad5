"""Whether float32, in which networks compute, tells the numbers of a job apart.

In float32 numbers near 10⁸ are 8 apart. What is standardized is centred in float64 before; what is
taken as it is may lose all that it says: its errors would then be measured against what is left.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.job_data import JobData
from worker.errors import DataError
from worker.spec import Preprocessing

COARSE = 1e-3
"""Of a column's deviation: rounding by more than that leaves too little of it."""


def check_precision(data: JobData, values: NDArray[Any], preprocessing: Preprocessing) -> None:
    """Refuse numbers that are taken as they are, and that float32 does not tell apart.

    Args:
        data: the job's columns.
        values: the target of the rows with one.
        preprocessing: what is standardized, and what is taken as it is.

    Raises:
        DataError: `param` names the field that says so.
    """
    target, rows = data.resolution.target, data.resolution.rows
    if target.task == "regression" and preprocessing.target == "none":
        _check(target.column, values, "target")
    if preprocessing.numeric == "none":
        for column in data.columns:
            if column.kind == "numeric":
                _check(column.name, data.table.values[column.name][rows], "numeric")


def _check(name: str, numbers: NDArray[Any], field: str) -> None:
    known = numbers[np.isfinite(numbers)].astype(np.float64)
    if not len(known):
        return
    deviation = float(known.std())
    rounded = float(np.abs(known - known.astype(np.float32)).max())
    if rounded <= COARSE * deviation:
        return
    # What has one value is told as such elsewhere; its deviation may be a rounding error.
    if (known == known[0]).all():
        return
    raise DataError(
        f"The numbers of {name!r} are about {known.mean():.6g} and deviate by {deviation:.3g}, "
        f"which a network's numbers of 32 bits hardly tell apart: {rounded:.3g} is lost of some. "
        f"Leave preprocessing.{field} out, so that they are centred before, or subtract a constant "
        "yourself.",
        code="too_coarse",
        param=f"preprocessing.{field}",
        column=name,
    )
