"""Networks of one structure side by side: the forward pass of an ensemble, a product a layer.

M programs whose steps are alike become one, of rows ``[M, B, F]``: products of all members in one
call, activations in another. What stands in the way (a convolution) leaves programs to themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.networks.network import Network
from worker.networks.program import (
    Program,
    Step,
    _Block,
    _flatten,
    _Multiply,
    _Scale,
    _Standardize,
)
from worker.regularization import Regularization
from worker.spec import NetworkSpec


@dataclass(frozen=True, eq=False)
class JointPart:
    """Networks of one structure, and what they were built from."""

    network: Network
    """In eval mode."""
    spec: NetworkSpec
    regularizations: tuple[Regularization, ...]
    """Of each member."""

    @property
    def members(self) -> int:
        """How many networks there are."""
        return len(self.regularizations)


class JointNetwork(Network):
    """Networks that answer together, of one structure or several; a member each.

    Args:
        parts: the networks, by structure.
        splits: of each member, the number of the encoder whose features it takes.
        encoders: how many there are, E.
        factor: of each member, what its scores are multiplied by, ``[M]``,
        offset: and what is added then, ``[M]``.
    """

    factor: Tensor
    offset: Tensor

    def __init__(
        self,
        parts: Sequence[JointPart],
        splits: Sequence[int],
        encoders: int,
        factor: Tensor,
        offset: Tensor,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(part.network for part in parts)
        self.parts = tuple(parts)
        self.splits, self.encoders = tuple(splits), encoders
        sizes = [part.members for part in parts]
        self.widest = max(part.network.widest for part in parts) * max(sizes)
        self.register_buffer("factor", factor.float())
        self.register_buffer("offset", offset.float())

    def features(self, x: Tensor) -> Tensor:
        """Rows ``[B, E·F, …]`` → those of each encoder, ``[E, B, F, …]``."""
        rows, width, *others = x.shape
        by_encoder = x.reshape(rows, self.encoders, width // self.encoders, *others)
        return by_encoder.movedim(1, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Rows ``[M, B, …]``, the same for all members, → scores ``[M, B, O]``."""
        given = self.of_parts(x[0])
        scores = [part.network(own) for part, own in zip(self.parts, given, strict=True)]
        return self.in_units(torch.cat(scores))

    def of_parts(self, x: Tensor) -> list[Tensor]:
        """Rows ``[B, E·F, …]`` → what the members of each part take, ``[M_i, B, F, …]``."""
        features, first, given = self.features(x), 0, []
        for part in self.parts:
            own = torch.tensor(self.splits[first : first + part.members])
            given.append(features[own].contiguous())
            first += part.members
        return given

    def in_units(self, scores: Tensor) -> Tensor:
        """Scores ``[M, B, O]`` of all members as they answer: divided by the temperature, or in the
        unit of the ensemble's target.
        """
        return scores * self.factor[:, None, None] + self.offset[:, None, None]


@dataclass(frozen=True, eq=False)
class JointProgram:
    """Programs of one structure as one."""

    members: tuple[int, ...]
    """Their numbers among all."""
    steps: tuple[Step, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Rows ``[M, B, …]`` → scores ``[M, B, O]``."""
        for step in self.steps:
            x = step(x)
        return x

    @property
    def takes_any_rows(self) -> bool:
        """Whether each row is computed by itself, so that their number makes no difference."""
        return not isinstance(self.steps[0], _Alone)

    def of_one_row(self) -> "JointProgram | None":
        """The same of rows ``[B, F]`` that all members share, where it begins with a product: the
        first is then one of all members. None where it begins otherwise.
        """
        if len(self.steps) < 2 or self.steps[0] is not _flatten_all:
            return None
        _, first, *others = self.steps
        if not isinstance(first, _MultiplyAll):
            return None
        return replace(self, steps=(_MultiplyShared.of(first), *others))

    def scaled(self, factor: Tensor, offset: Tensor) -> "JointProgram":
        """The same, whose scores are multiplied by ``factor``, and ``offset`` added, ``[M]``."""
        *others, last = self.steps
        wide, shift = factor[:, None, None], offset[:, None, None]
        if not isinstance(last, _MultiplyAll):
            return replace(self, steps=(*self.steps, _Affinely(wide, shift)))
        times, added = wide.numpy(), shift.numpy()
        scaled = _MultiplyAll(last.weight * times[..., None], last.bias * times + added)
        return replace(self, steps=(*others, scaled))


def join_programs(programs: Sequence[Program]) -> tuple[JointProgram, ...]:
    """The programs, those of one structure as one; those that are not to be joined by themselves.

    What is by itself takes and gives rows with a leading dimension of 1, too.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, program in enumerate(programs):
        structure = _structure(program.steps) or (number,)
        groups.setdefault(structure, []).append(number)
    joined = []
    for structure, members in groups.items():
        chosen = [programs[number] for number in members]
        if structure == (members[0],):
            steps: tuple[Step, ...] = (_Alone(chosen[0]),)
        else:
            steps = _stack([program.steps for program in chosen])
        joined.append(JointProgram(tuple(members), steps))
    return tuple(joined)


def _structure(steps: Sequence[Step]) -> tuple[object, ...] | None:
    """What must be equal of programs to be joined; none where one cannot be."""
    found: list[object] = []
    for step in steps:
        match step:
            case _Multiply():
                found.append(("multiply", tuple(step.weight.shape), step.outputs))
            case _Scale():
                found.append(("scale", step.factor.shape))
            case _Standardize():
                found.append(("standardize", step.epsilon, step.scale.factor.shape))
            case _Block():
                inner = [_structure(part) for part in (step.enter, *step.branches)]
                if None in inner:
                    return None
                found.append(("block", *inner))
            case _ if callable(step) and hasattr(step, "__name__"):
                found.append(step)
            case _:
                return None
    return tuple(found)


def _stack(programs: Sequence[Sequence[Step]]) -> tuple[Step, ...]:
    return tuple(_stacked(steps) for steps in zip(*programs, strict=True))


def _stacked(steps: Sequence[Step]) -> Step:
    match steps[0]:
        case _Multiply(outputs=outputs):
            own = [step for step in steps if isinstance(step, _Multiply)]
            weight = np.stack([step.weight.numpy()[:, :outputs] for step in own])
            bias = np.stack([step.bias.numpy()[:outputs] for step in own])
            return _MultiplyAll(weight[:, None], bias[:, None])
        case _Scale():
            return _scales([step for step in steps if isinstance(step, _Scale)])
        case _Standardize(epsilon=epsilon):
            scales = [step.scale for step in steps if isinstance(step, _Standardize)]
            return _StandardizeAll(epsilon, _scales(scales))
        case _Block():
            own_blocks = [step for step in steps if isinstance(step, _Block)]
            return _Block(
                _stack([block.enter for block in own_blocks]),
                tuple(
                    _stack(branches)
                    for branches in zip(*(block.branches for block in own_blocks), strict=True)
                ),
            )
        case step if step is _flatten:
            return _flatten_all
        case step:
            return step


def _scales(scales: Sequence[_Scale]) -> _Scale:
    return _Scale(
        np.stack([scale.factor for scale in scales])[:, None],
        np.stack([scale.shift for scale in scales])[:, None],
    )


def _flatten_all(h: Tensor) -> Tensor:
    """``[M, B, …]`` → ``[M, B, F]``."""
    return h.flatten(2)


@dataclass(frozen=True, eq=False)
class _Alone:
    """A program with nothing beside it: ``[1, B, …]`` → ``[1, B, O]``."""

    program: Program

    def __call__(self, h: Tensor) -> Tensor:
        return self.program(h[0])[None]


@dataclass(frozen=True, eq=False)
class _Affinely:
    """``h·factor + offset``, ``[M, 1, 1]`` each."""

    factor: Tensor
    offset: Tensor

    def __call__(self, h: Tensor) -> Tensor:
        return h.mul(self.factor).add_(self.offset)


@dataclass(frozen=True, eq=False)
class _MultiplyAll:
    """``h W + b`` for each member: W ``[M, 1, in, out]``, b ``[M, 1, out]``.

    Each row is multiplied by itself, a vector by a matrix: most of what a row costs is to read the
    weights of so many members, which is done once for it, and kernels of several rows want four at
    least. So a row's bits are its own, too.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __call__(self, h: Tensor) -> Tensor:
        product = np.matmul(h.numpy()[:, :, None], self.weight)[:, :, 0]
        product += self.bias
        return torch.from_numpy(product)


@dataclass(frozen=True, eq=False)
class _MultiplyShared:
    """``h W + b`` of rows ``[B, in]`` that all members share: W ``[in, M·out]``, b ``[M, 1, out]``.

    A row by itself, as in `_MultiplyAll`.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def of(cls, product: _MultiplyAll) -> "_MultiplyShared":
        """From the products of each member."""
        inputs = product.weight.shape[2]
        beside = product.weight[:, 0].transpose(1, 0, 2).reshape(inputs, -1)
        return cls(np.ascontiguousarray(beside), product.bias)

    def __call__(self, h: Tensor) -> Tensor:
        rows = h.numpy()
        members, _, outputs = self.bias.shape
        product = np.matmul(rows[:, None], self.weight).reshape(len(rows), members, outputs)
        by_member = product.swapaxes(0, 1)
        by_member += self.bias
        return torch.from_numpy(by_member)


@dataclass(frozen=True, eq=False)
class _StandardizeAll:
    """Layer normalization of each member's rows ``[M, B, F]``."""

    epsilon: float
    scale: _Scale

    def __call__(self, h: Tensor) -> Tensor:
        rows = h.numpy()
        share = np.float32(1.0 / rows.shape[2])
        rows -= np.add.reduce(rows, axis=2, keepdims=True) * share
        variance = np.add.reduce(np.square(rows), axis=2, keepdims=True)
        variance *= share
        variance += np.float32(self.epsilon)
        rows /= np.sqrt(variance, out=variance)
        return self.scale(h)
