"""The forward pass of an ensemble, as it answers: a row has the same bits in any batch.

All members of one structure are computed together, each row by itself (`worker.networks.joint`);
that it is so is proved as of a single network (`forward`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.models.forward import MULTIPLES, Compute, RowForward, proven
from worker.models.probabilities import WeightedMean
from worker.networks import JointNetwork, JointProgram, Program, join_programs, write_programs
from worker.spec import TaskKind

SMALLER = 4
"""How many times fewer numbers are computed at once than of a single network: what all members make
of some rows stays near the processor that way."""


def compile_joint(
    network: JointNetwork, weights: Sequence[float], task: TaskKind, shape: tuple[int, ...]
) -> RowForward:
    """The pass that answers for an ensemble in eval mode, of rows of a shape.

    Args:
        network: its members.
        weights: of each, ``[M]``, which sum to 1.
        task: what is predicted.
        shape: of a row, the features of all encoders together.
    """
    own = (shape[0] // network.encoders, *shape[1:])
    programs: list[Program] = []
    for part in network.parts:
        written = write_programs(part.network, own)
        if written is None:
            flops = 2 * sum(parameter.numel() for parameter in network.parameters())
            compute = _mean(_as_it_stands(network), task, np.array(weights))
            return proven(compute, task, shape, flops=flops, widest=network.widest)
        programs += written
    joined = [
        one.scaled(network.factor[list(one.members)], network.offset[list(one.members)])
        for one in join_programs(programs)
    ]
    order = [member for one in joined for member in one.members]
    splits = [torch.tensor([network.splits[member] for member in one.members]) for one in joined]
    single = network.encoders == 1
    shared = [_of_one_row(one, shape) if single else None for one in joined]

    def members(x: Tensor) -> Tensor:
        features = x[None] if single else network.features(x)
        scores = []
        for program, of_one_row, own_splits in zip(joined, shared, splits, strict=True):
            if of_one_row is not None and len(x) == 1:
                scores.append(of_one_row(x))
                continue
            if single:
                # A view that all members share: the first product reads it as often as there are.
                given = features.expand(len(own_splits), *features.shape[1:])
            else:
                given = features.index_select(0, own_splits)
            scores.append(program(given))
        return scores[0] if len(scores) == 1 else torch.cat(scores)

    flops = sum(program.flops for program in programs)
    compute = _mean(members, task, np.array([weights[member] for member in order]))
    widest = SMALLER * network.widest
    single_rows = all(program.takes_any_rows for program in joined)
    multiples = (1, *MULTIPLES) if single_rows else MULTIPLES
    return proven(compute, task, shape, flops=flops, widest=widest, multiples=multiples)


def _of_one_row(program: JointProgram, shape: tuple[int, ...]) -> JointProgram | None:
    """The way of a row alone, whose first product is one of all members, where it has the bits of
    the usual way. Of many rows it would read all members' weights for each.
    """
    alone = program.of_one_row() if len(shape) == 1 else None
    if alone is None:
        return None
    rows = torch.from_numpy(np.random.default_rng(0).standard_normal((8, *shape), dtype=np.float32))
    usual = program(rows.expand(len(program.members), *rows.shape)).numpy()
    for number in range(len(rows)):
        scores = alone(rows[number : number + 1]).numpy()
        if scores.tobytes() != usual[:, number : number + 1].tobytes():
            return None
    return alone


def _as_it_stands(network: JointNetwork) -> Any:
    def members(x: Tensor) -> Tensor:
        with torch.inference_mode():
            scores: Tensor = network(x.expand(len(network.splits), *x.shape)).contiguous()
            return scores

    return members


def _mean(members: Any, task: TaskKind, weights: NDArray[np.float64]) -> Compute:
    mean = WeightedMean.of(task, weights)

    def compute(x: Tensor) -> Sequence[Tensor]:
        return [torch.from_numpy(mean(members(x).numpy()))]

    return compute
