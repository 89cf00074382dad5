"""The forward pass of a loaded model, as it answers: a row has the same bits in any batch.

Kernels of matrix products choose their way by the number of rows, and treat the last rows of a
matrix otherwise than those before. So rows are computed in numbers for which this machine's kernels
were seen to treat each alike: multiples of a small number, found when the model is loaded. Where
there is no such number, in blocks of one size whose every place was seen to be like the others, and
at last one by one. What is tried depends on structure alone and never on time, so that all
processes of one machine compute alike.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.models.probabilities import mean_member
from worker.networks import Network, write_programs
from worker.regularization import SnapshotEnsemble
from worker.spec import TaskKind

MULTIPLES = (4, 8, 16, 32)
"""Numbers of rows that are tried: computed are multiples of the first that will do."""
BLOCK = 8
"""Rows of a block, where none will do."""
CHUNK_NUMBERS = 2**20
"""What the widest layer makes of the rows that are computed at once, about."""
CHUNK_ROWS = (32, 1024)
"""The fewest and the most rows that are computed at once."""

Features = NDArray[np.float32]
Compute = Callable[[Tensor], Sequence[Tensor]]
"""Rows ``[B, …]`` → the scores ``[B, O]`` of each member."""


class Forward(Protocol):
    """Encoded rows → scores, in eval mode, alike for a row alone and among others."""

    @property
    def flops(self) -> int:
        """Floating-point operations of one row, about."""

    @property
    def multiple(self) -> int:
        """Any number of rows costs as much as the next multiple of this one."""

    @property
    def rows_per_chunk(self) -> int:
        """Most rows that are computed at once."""

    def __call__(self, features: Features, threads: int = 1) -> Features:
        """``[N, …]`` → ``[N, O]``; an ensemble's are those of its members' mean prediction.

        Threads share the chunks of many rows; they change no bits.
        """


@dataclass(frozen=True)
class RowNumbers:
    """The numbers of rows that are computed at once: the multiples of one, up to another."""

    multiple: int
    most: int


@dataclass(frozen=True, eq=False)
class RowForward:
    """A forward pass that is given certain numbers of rows only, filled up with zeros."""

    compute: Compute
    task: TaskKind
    numbers: RowNumbers
    flops: int

    @property
    def multiple(self) -> int:
        """Any number of rows costs as much as the next multiple of this one."""
        return self.numbers.multiple

    @property
    def rows_per_chunk(self) -> int:
        """Most rows that are computed at once."""
        return self.numbers.most

    def __call__(self, features: Features, threads: int = 1) -> Features:
        """``[N, …]`` → ``[N, O]``."""
        rows, most = len(features), self.numbers.most
        if rows <= most:
            return self._chunk(features)
        chunks = [features[first : first + most] for first in range(0, rows, most)]
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                return np.concatenate(list(pool.map(self._chunk, chunks)))
        return np.concatenate([self._chunk(chunk) for chunk in chunks])

    def _chunk(self, features: Features) -> Features:
        """Rows that are computed at once."""
        rows = len(features)
        # A copy always: kernels may choose their way by where a matrix begins in memory.
        filled = torch.empty(rows + -rows % self.numbers.multiple, *features.shape[1:])
        values = filled.numpy()
        values[:rows] = features
        values[rows:] = 0.0
        with np.errstate(all="ignore"):  # a score that is no number is one, without a word
            members = [scores.numpy() for scores in self.compute(filled)]
            return (members[0] if len(members) == 1 else mean_member(self.task, members))[:rows]

    def treats_rows_alike(self, shape: tuple[int, ...]) -> bool:
        """Whether rows of a shape have the same bits at the places and in the numbers tried."""
        multiple, most = self.numbers.multiple, self.numbers.most
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((most + multiple, *shape), dtype=np.float32)
        whole = self._chunk(rows[:most])

        def alike(first: int, count: int) -> bool:
            """Whether some of the rows by themselves are what they are among all."""
            end = min(first + count, most)
            part = self._chunk(rows[first : first + count])[: end - first]
            return part.tobytes() == whole[first:end].tobytes()

        if multiple == most:
            return all(alike(first, most) for first in range(1, most))
        parts = [(0, 1), (1, 1), (multiple + 1, 1), (3, 2), (5, 3), (2, 5)]
        return all(alike(first, n * multiple) for first, n in parts) and alike(1, most)


@dataclass(frozen=True, eq=False)
class OffsetForward:
    """A pass to which the last feature is added as it is."""

    inner: RowForward

    @property
    def flops(self) -> int:
        """Floating-point operations of one row, about."""
        return self.inner.flops

    @property
    def multiple(self) -> int:
        """Any number of rows costs as much as the next multiple of this one."""
        return self.inner.multiple

    @property
    def rows_per_chunk(self) -> int:
        """Most rows that are computed at once."""
        return self.inner.rows_per_chunk

    def __call__(self, features: Features, threads: int = 1) -> Features:
        """``[N, F + 1]`` → ``[N, O]``."""
        scores = self.inner(np.ascontiguousarray(features[:, :-1]), threads)
        with np.errstate(all="ignore"):
            return scores + features[:, -1:]


def compile_forward(
    network: Network, members: int, task: TaskKind, shape: tuple[int, ...]
) -> RowForward:
    """The pass that answers for a network in eval mode, of rows of a shape.

    It is the network's program where it has one, and else the network itself, as it stands.
    """
    programs = write_programs(network, shape)
    if programs is None:
        compute = _as_it_stands(network, members)
        flops = 2 * sum(parameter.numel() for parameter in network.parameters())
    else:
        compute = lambda x: [program(x) for program in programs]  # noqa: E731
        flops = sum(program.flops for program in programs)
    return proven(compute, task, shape, flops=flops, widest=network.widest)


def proven(
    compute: Compute,
    task: TaskKind,
    shape: tuple[int, ...],
    *,
    flops: int,
    widest: int,
    multiples: Sequence[int] = MULTIPLES,
) -> RowForward:
    """The pass with the first numbers of rows that were seen to treat each row alike.

    ``widest`` are the numbers of a row in the widest layer, of all members together.
    """
    step, greatest = CHUNK_ROWS
    most = min(max(CHUNK_NUMBERS // widest, step), greatest) // step * step
    tried = [*(RowNumbers(multiple, most) for multiple in multiples), RowNumbers(BLOCK, BLOCK)]
    for numbers in tried:
        forward = RowForward(compute, task, numbers, flops)
        if forward.treats_rows_alike(shape):
            return forward
    return RowForward(compute, task, RowNumbers(1, 1), flops)


def _as_it_stands(network: Network, members: int) -> Compute:
    def compute(x: Tensor) -> Sequence[Tensor]:
        with torch.inference_mode():
            return list(network(x.expand(members, *x.shape)).contiguous())

    return compute


def mean_scores(task: TaskKind, scores: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Members' scores ``[K, M, B, O]`` → scores ``[K, B, O]`` of the mean prediction.

    The first ``count[k]`` members of trial k take part. For classes the mean is that of the
    probabilities, given as logits, so that what reads scores need not know of members.
    """
    count = count.clamp(min=1)
    number = torch.arange(scores.shape[1], device=scores.device)
    weights = (number < count[:, None]).to(scores.dtype) / count[:, None]
    weights = weights[:, :, None, None]
    if task == "regression":
        return SnapshotEnsemble.mean_value(scores, weights)
    return SnapshotEnsemble.mean_probability(scores, weights)
