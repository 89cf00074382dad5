"""Constraints: a set that the weights must lie in, held by projection after every step."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

from torch import Tensor

from worker.regularization.per_trial import ParameterIndex, PerTrial
from worker.regularization.technique import (
    DataFacts,
    Layers,
    Memory,
    Misfit,
    NetworkFacts,
    Technique,
    layers_beyond,
)
from worker.shapes import shaped


class Constraint(Technique):
    """Projects the weights onto the nearest ones that it allows. Shapes: w ``[K, P]``."""

    family: ClassVar[str] = "constraint"

    layers: Layers | None = None
    """Act on these layers only, numbered from 0 at the input; all layers unless given."""

    @classmethod
    @abstractmethod
    def limits(cls, stack: "PerTrial[Self]", index: ParameterIndex) -> tuple[Tensor, ...]:
        """The bounds of each weight matrix, ``[K]`` each; +inf where there is none."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Wherever the layers exist that it is to act on."""
        return layers_beyond(self.layers, network)

    def memory(self) -> Memory:
        """Norms and factors."""
        return Memory(step=2)

    def restrains(self) -> bool:
        """Always: a bound holds whatever the data say."""
        return True

    @staticmethod
    @abstractmethod
    @shaped(block="K …", limit="K")
    def project(block: Tensor, limit: Tensor) -> None:
        """Bring a layer's weights ``[K, in, …, out]`` within their bounds ``[K]``, in place."""


class Constraints:
    """All constraints of a fleet, at work on its weights ``[K, P]``."""

    def __init__(
        self, stacks: dict[type[Constraint], PerTrial[Any]], index: ParameterIndex
    ) -> None:
        self._bounds = [
            (technique, matrix, limit)
            for technique, stack in stacks.items()
            for matrix, limit in zip(index.matrices, technique.limits(stack, index), strict=True)
            if limit.isfinite().any()
        ]

    def project(self, w: Tensor) -> None:
        """Apply the constraints, in place."""
        for technique, matrix, limit in self._bounds:
            technique.project(matrix.of(w), limit)
