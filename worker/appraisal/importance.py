"""Permutation importance: by how much the winner's loss rises if a column is exchanged among rows.

All inputs of a column, such as those of its categories, are permuted together. The rows of many
permutations go through the network as one batch. Of a cross-validation each fold's network takes
its own rows, and exchanges them among themselves.

Source: Breiman 2001, Machine Learning 45; Fisher, Rudin & Dominici 2019, JMLR 20(177).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from worker.appraisal.contenders import TrainedTrial
from worker.appraisal.rows import HeldOut, RowScores, network_scores, scores_at
from worker.results import ColumnImportance, PermutationImportance

PERMUTATIONS = 5
MOST_COLUMNS = 200
"""Columns that are told, the most important."""
OPERATIONS = 1.5e9
"""Multiplications of all networks together that it may take: about a tenth of a second."""
FEWEST_ROWS = 100
"""Rows, or all where there are fewer, below which it is not worth being told."""
SURE = 1.96
"""Standard errors over rows of a 95 % interval."""
AT_ONCE = 2**22
"""Inputs of permuted rows that are held at a time."""

Floats = NDArray[np.float64]


def permutation_importance(
    held: HeldOut,
    networks: Sequence[TrainedTrial],
    *,
    permutations: int = PERMUTATIONS,
    operations: float = OPERATIONS,
    seed: int = 0,
    device: str = "cpu",
) -> PermutationImportance | None:
    """What each column is worth; none for images, for a single row, and where it takes too long.

    Args:
        held: the rows.
        networks: one, or one for each fold, in their order.
        permutations: of each column.
        operations: multiplications that it may take; so many rows are drawn.
        seed: of the permutations and of the rows that are drawn.
        device: where it is computed.
    """
    encoder = held.prepared.encoders[0]
    if len(held.prepared.shape) > 1 or len(held) < 2:
        return None
    file = networks[0].file
    members = max(1, *(one.file.manifest.members[one.position] for one in networks))
    each = members * max(1, file.manifest.parameters["total"])
    names = [column.name for column in encoder.features]
    most = int(operations / (each * (1 + permutations * len(names))))
    if most < min(FEWEST_ROWS, len(held)):
        return None
    rng = np.random.default_rng(seed)
    chosen = np.arange(len(held))
    if most < len(held):
        chosen = np.sort(rng.permutation(len(held))[:most])
    ends = np.cumsum([0, *encoder.widths[: len(names)]]).tolist()
    groups = [slice(first, end) for first, end in pairwise(ends)]
    parts = [
        _Part(held, one, chosen if held.fold is None else chosen[held.fold[chosen] == number])
        for number, one in enumerate(networks)
    ]
    parts = [part for part in parts if len(part.chosen) > 1]
    if not parts:  # each fold has a single row, and exchanges nothing
        return None
    rises = np.zeros((len(names), permutations))
    squares = np.zeros(len(names))
    plain, rows = 0.0, sum(len(part.chosen) for part in parts)
    for part in parts:
        before = part.losses(part.x[None], device)[0]  # [n]
        orders = [rng.permutation(len(part.chosen)) for _ in range(permutations)]
        plain += before.sum() / rows
        size = max(1, AT_ONCE // max(1, permutations * part.x.size))
        for first in range(0, len(groups), size):
            some = groups[first : first + size]
            after = part.losses(_permuted(part.x, some, orders), device)
            after = after.reshape(len(some), permutations, -1) - before
            rises[first : first + len(some)] += after.sum(2) / rows
            squares[first : first + len(some)] += np.square(after.mean(1)).sum(1) / rows
    mean, deviation = rises.mean(1), rises.std(1, ddof=1) if permutations > 1 else rises[:, 0] * 0
    errors = np.sqrt(np.maximum(squares - np.square(mean), 0.0) / rows)
    order = np.argsort(-mean, kind="stable")[:MOST_COLUMNS]
    return PermutationImportance(
        loss=float(plain),
        rows=rows,
        permutations=permutations,
        noise=SURE * float(np.median(errors)),
        columns=[
            ColumnImportance(
                column=names[place],
                rise=float(mean[place]),
                deviation=float(deviation[place]),
                low=float(mean[place] - SURE * errors[place]),
                high=float(mean[place] + SURE * errors[place]),
            )
            for place in order
        ],
        columns_count=len(names),
    )


class _Part:
    """The rows that one network takes."""

    def __init__(self, held: HeldOut, network: TrainedTrial, chosen: NDArray[np.int64]) -> None:
        self.network, self.chosen = network, chosen
        fold = network.trial.fold or 0
        self._held = HeldOut(
            held.part,
            held.prepared,
            held.rows[chosen],
            None if held.fold is None else held.fold[chosen],
            held.whole,
            held.loss,
        )
        self._place = (network.trial.repeat, None if held.fold is not None else fold)
        self.x = held.prepared.x[fold][self._held.rows]

    def losses(self, x: NDArray[np.float32], device: str) -> Floats:
        """``[M, n, F]`` → the losses ``[M, n]`` of M versions of the rows."""
        flat = x.reshape(-1, x.shape[-1])
        (scores,) = network_scores([self.network], flat, np.arange(len(flat)), device)
        versions = scores.reshape(len(x), len(self.chosen), -1)
        return self._scores(versions).losses()

    def _scores(self, versions: NDArray[np.float32]) -> RowScores:
        return scores_at(self._held, [self._place] * len(versions), versions)


def _permuted(
    x: NDArray[np.float32], groups: Sequence[slice], orders: Sequence[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """``[n, F]`` → ``[groups · permutations, n, F]``: each group of inputs in each order."""
    versions = np.broadcast_to(x, (len(groups), len(orders), *x.shape)).copy()
    for number, group in enumerate(groups):
        for place, order in enumerate(orders):
            versions[number, place, :, group] = x[order, group]
    return versions.reshape(-1, *x.shape)
