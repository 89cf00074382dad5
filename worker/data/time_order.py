"""Division in the order of time: what trains lies before what validates, and that before the test.

Rows of equal times stay together: a boundary between two parts lies where the time changes, as near
as there is to where the shares would have it. With F folds and as many different times as rows, the
windows are those of scikit-learn's `TimeSeriesSplit`: of n rows beside the test rows, fold i
validates on the i-th of the last F blocks of ⌊n / (F + 1)⌋ rows, and trains on all rows before it.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.splits import Rows
from worker.errors import DataError


def time_ordered(
    times: NDArray[Any], *, validation: float, test: float, folds: int
) -> list[tuple[Rows, Rows, Rows]]:
    """The places of the rows that train, validate and test, for each fold, or once without folds.

    Args:
        times: [N], none missing.
        validation: share of the rows, unused with folds.
        test: share of the rows.
        folds: how many, 0 for none.

    Raises:
        DataError: there are fewer different times than parts.
    """
    order = np.argsort(times, kind="stable")
    ordered, rows = times[order], len(times)
    tested = max(1, int(np.floor(rows * test + 0.5))) if test else 0
    rest = rows - tested
    if folds:
        block = max(1, rest // (folds + 1))
        targets = [rest - block * (folds - number) for number in range(folds)]
    else:
        validated = max(1, int(np.floor(rows * validation + 0.5))) if validation else 0
        targets = [rest - validated] if validated else []
    targets += [rest] if tested else []
    cuts = _boundaries(ordered, targets, "split.folds" if folds else "split.order")
    end = cuts[-1] if tested else rows
    last = order[end:]
    if folds:
        ends = [*cuts[:folds], end]
        return [
            (order[:first], order[first:following], last) for first, following in pairwise(ends)
        ]
    first = cuts[0] if validation else end
    return [(order[:first], order[first:end], last)]


def _boundaries(ordered: NDArray[Any], targets: Sequence[int], param: str) -> list[int]:
    """The places between different times that are nearest to the targets, each above the last."""
    allowed = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    if len(allowed) < len(targets):
        raise DataError(
            f"There are {len(allowed) + 1} different times, which cannot make {len(targets) + 1} "
            "parts one after the other. Ask for fewer folds or parts, or name a column in "
            "`split.order` that tells more times apart.",
            code="too_few_times",
            param=param,
        )
    found: list[int] = []
    before = -1
    for number, target in enumerate(targets):
        # Each of the targets that follow needs a boundary, too.
        first, end = before + 1, len(allowed) - (len(targets) - number - 1)
        near = int(np.argmin(np.abs(allowed[first:end] - target)))
        before = first + near
        found.append(int(allowed[before]))
    return found
