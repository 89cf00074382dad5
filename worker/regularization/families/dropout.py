"""Dropouts: layers that silence a random part of what passes; identity in eval mode."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from worker.regularization.families.random_layer import RandomLayer
from worker.regularization.profile import Profile, shares
from worker.regularization.ramp import Ramp
from worker.regularization.random_streams import Stream, keep_threshold, resolved
from worker.regularization.technique import (
    DataFacts,
    DropProbability,
    Misfit,
    NetworkFacts,
    Technique,
)
from worker.shapes import shaped

Probabilities = (
    DropProbability
    | Annotated[
        tuple[DropProbability, ...],
        Field(fail_fast=True, strict=False, min_length=1, max_length=64),
    ]
)
"""One p for all hidden layers, or one for each."""
WEAK_P = 0.1
"""Probabilities below it are not noticed."""


Constants = Sequence[Tensor]
"""What follows from p alone, ``[K, 1, …]`` each."""


class Masking:
    """A technique that drops by a mask M; unless it says otherwise by inverted dropout,
    ``h' = M ⊙ h / (1 − p)``.
    """

    per_row: ClassVar[bool]
    """Whether the mask's first axis after the trials is the rows of a batch."""

    @staticmethod
    @abstractmethod
    def mask_shape(h: Tensor) -> tuple[int, ...]:
        """The shape of the mask M for ``h``."""

    @staticmethod
    def constants(p: Tensor) -> tuple[Tensor, ...]:
        """What follows from p ``[K, 1, …]`` alone, of the same shape, once an epoch; first by what
        an entry that is kept is scaled: 1 / (1 − p).
        """
        return (1 / (1 - p),)

    @staticmethod
    def slope(keep: Tensor, constants: Constants) -> Tensor:
        """∂h'/∂h under a mask ``keep``, which is overwritten: M times its scale."""
        return keep.mul_(constants[0])

    @staticmethod
    def drop(h: Tensor, slope: Tensor, constants: Constants, out: Tensor | None = None) -> Tensor:
        """h', given its slope; in ``out``, which may be ``h``, where no sign changes."""
        return torch.mul(h, slope, out=out)


class ActivationDropout(Masking, Technique):
    """Drops entries of activations h ``[K, B, F]`` by a mask M that is 1 with probability 1 − p."""

    family: ClassVar[str] = "dropout"
    per_row: ClassVar[bool] = True
    needs_maps: ClassVar[bool] = False
    """Whether it acts on the feature maps of convolutions only."""
    usual_p: ClassVar[tuple[float, float]] = (0.1, 0.5)
    """The probabilities that are usual in hidden layers."""

    p: Probabilities = 0.5
    """Probability of dropping: one for all hidden layers, or one for each."""
    input_p: DropProbability = 0.0
    """Probability of dropping at the input."""
    shape: Profile = "brick"
    """How p varies from the first hidden layer to the last; `p` is its largest value."""
    schedule: Ramp | None = None
    """What share of p applies in each epoch; all of it unless given."""

    @model_validator(mode="after")
    def shape_needs_one_p(self) -> Self:
        """Refuse a shape where each layer has its own p already."""
        if isinstance(self.p, tuple) and self.shape != "brick":
            raise ValueError("give p as one number to use a shape, or leave the shape out")
        return self

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Hidden layers, with a p for each of them; maps where it drops whole ones."""
        if self.needs_maps and not network.conv_layers:
            return Misfit(
                "It drops feature maps, and this network has none; choose the network cnn, or "
                "dropout."
            )
        sites = self.sites(network)
        if isinstance(self.p, tuple) and len(self.p) != sites:
            if network.residual_blocks:
                where = "blocks"
            elif network.conv_layers:
                where = "convolutions" if self.needs_maps else "layers"
            else:
                where = "hidden layers"
            return Misfit(
                f"{len(self.p)} probabilities for {sites} {where}; give one number, or {sites}.",
                field="p",
            )
        if self.needs_maps or self.input_p > 0 or network.dropout_sites > network.conv_layers:
            return None
        if network.depth:
            message = (
                f"{self.key()} drops single places of feature maps, and the network has no hidden "
                "layer else; spatial_dropout drops whole maps."
            )
        else:
            message = f"{self.key()} acts after hidden layers, and the network has none."
        return Misfit(message, refused=False)

    def sites(self, network: NetworkFacts) -> int:
        """After how many hidden layers it acts, from the first on."""
        return network.conv_layers if self.needs_maps else network.dropout_sites

    def restrains(self) -> bool:
        """From p = .1 on, anywhere."""
        p = self.p if isinstance(self.p, tuple) else (self.p,)
        return max(*p, self.input_p) >= WEAK_P

    def rates(self, places: int) -> tuple[float, ...]:
        """p after each of so many hidden layers."""
        if isinstance(self.p, tuple):
            return self.p
        return tuple(self.p * share for share in shares(self.shape, places))


class WeightDropout(Masking, Technique):
    """Drops entries of weights W ``[K, in, out]``; one mask a batch, shared by its rows."""

    family: ClassVar[str] = "dropout"
    per_row: ClassVar[bool] = False

    def restrains(self) -> bool:
        """From p = .1 on."""
        return max(self.rates(1)) >= WEAK_P

    @abstractmethod
    def rates(self, depth: int) -> tuple[float, ...]:
        """p of each layer's weights: ``depth`` hidden layers, then the output."""


class DropoutLayer(RandomLayer):
    """A technique that drops by a mask, at one position of a network."""

    threshold: Tensor
    constants: Tensor

    def __init__(
        self,
        technique: type[Masking],
        p: Tensor,
        schedules: Sequence[Ramp | None],
        dimensions: int,
        random: Stream,
    ) -> None:
        super().__init__(p, schedules, dimensions, random)
        self.technique = technique
        # Survivors are scaled by the p that masks have, or the mean would be off as p nears 1.
        self.amount.copy_(resolved(self.amount))
        self.register_buffer("threshold", keep_threshold(p, dimensions), persistent=False)
        constants = torch.stack(technique.constants(self.amount))
        self.register_buffer("constants", constants, persistent=False)
        self._each: tuple[Tensor, ...] = ()

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set p and what follows from it."""
        super().start_epoch(epoch, epochs)
        self.amount.copy_(resolved(self.amount))
        self.threshold.copy_(keep_threshold(self.amount.flatten(), self.amount.dim()))
        torch.stack(self.technique.constants(self.amount), out=self.constants)
        self._each = self.constants.unbind()

    @shaped(h="K …", returns="K …")
    def forward(self, h: Tensor) -> Tensor:
        """Drop in training mode; identity in eval mode."""
        if not self.training:
            return h
        constants = self.constants.unbind()
        return self.technique.drop(h, self.technique.slope(self.mask(h), constants), constants)

    def remember(
        self, h: Tensor, out: Tensor | None = None, *, by_zeros: bool = False
    ) -> tuple[Tensor, Tensor]:
        """What ``forward`` gives in training mode, maybe in ``out``; and its slope, or ``by_zeros``
        of that only what is not 0: the scale.
        """
        constants = self._each or self.constants.unbind()
        slope = self.technique.slope(self.mask(h), constants)
        dropped = self.technique.drop(h, slope, constants, out)
        return dropped, constants[0] if by_zeros and dropped is out else slope

    def backward(self, g: Tensor, kept: Tensor) -> Tensor:
        """The slope's product with ∂L/∂h', in its place."""
        return g.mul_(kept)

    def mask(self, h: Tensor) -> Tensor:
        """A fresh mask M for ``h``: 1 where an entry is kept, else 0."""
        shape = self.technique.mask_shape(h)
        if self.technique.per_row:
            return self.random.keep(self.threshold, *shape[1:])
        return self.random.keep(self.threshold, None, *shape[1:])
