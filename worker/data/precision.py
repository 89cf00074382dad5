"""Whether float32, in which networks compute, tells the numbers of a job apart.

In float32 numbers near 10⁸ are 8 apart. What is standardized is centred in float64 before; what is
taken as it is may lose all that it says: its errors would then be measured against what is left.
The ends of a column decide, so that what was counted of it does.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.job_data import JobData
from worker.errors import DataError
from worker.spec import Preprocessing

FEWEST_STEPS = 1_000
"""Numbers of float32 between the ends of a column, below which too little of it is left."""


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
        _check(target.column, float(values.min()), float(values.max()), "target")
    if preprocessing.numeric != "none":
        return
    for column in data.columns:
        if column.kind != "numeric":
            continue
        counted = data.table.counts.get(column.name)
        low, high = (
            _ends(data.table.values[column.name][rows])
            if counted is None
            else (counted.minimum, counted.maximum)
        )
        if low is not None and high is not None:
            _check(column.name, low, high, "numeric")


def _ends(numbers: NDArray[Any]) -> tuple[float, float] | tuple[None, None]:
    known = numbers[np.isfinite(numbers)]
    return (float(known.min()), float(known.max())) if len(known) else (None, None)


def _check(name: str, low: float, high: float, field: str) -> None:
    largest = np.float32(max(abs(low), abs(high)))
    apart = float(np.spacing(largest))
    if low == high or not np.isfinite(apart) or high - low > FEWEST_STEPS * apart:
        return
    raise DataError(
        f"The numbers of {name!r} go from {low:.10g} to {high:.10g}, where those that a network "
        f"computes with are {apart:.3g} apart: too little of them is left. Leave "
        f"preprocessing.{field} out, so that they are centred before, or subtract a constant "
        "yourself.",
        code="too_coarse",
        param=f"preprocessing.{field}",
        column=name,
    )
