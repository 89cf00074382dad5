"""Backpropagation through a chain of dense layers, by hand: half the time of autograd's.

Most of a small network's step is not arithmetic but the bookkeeping around it. Here the layers are
put together; what stands between them (masks, noise, normalizations) says its own derivative, on
its technique's page. Networks that are no such chain go through autograd.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from worker.networks.activations import Activation
from worker.networks.dense import Dense, affine, back, outer
from worker.networks.embedding import Embedding
from worker.regularization.families import Kept, NormalizationLayer
from worker.spec import MlpSpec, Trial


@runtime_checkable
class ByHand(Protocol):
    """A layer without weights that says its derivative, as a normalization does too."""

    def remember(
        self, h: Tensor, out: Tensor | None = None, *, by_zeros: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Its forward pass in training mode, h', and what the way back needs.

        ``out`` is h itself, where that may be overwritten; with ``by_zeros`` only without a change
        of any sign, and what becomes 0 passes no gradient back anyhow. h' is nobody else's.
        """

    def backward(self, g: Tensor, kept: Tensor) -> Tensor:
        """From ∂L/∂h' to ∂L/∂h, maybe in g's place; what is kept stays."""


Layer = TypeVar("Layer")
Way = list[tuple[ByHand, Tensor]]
"""Layers that were passed, with what each keeps."""


@dataclass(frozen=True)
class Link:
    """A dense layer with what stands around it: ``h' = after(a(norms(h·disturb(W) + b)))``."""

    weight: Tensor
    bias: Tensor
    disturb: Sequence[ByHand]
    norms: Sequence[NormalizationLayer]
    after: Sequence[ByHand]


@dataclass(slots=True)
class Passed:
    """What a hidden link's forward pass keeps: W', h, what the activation took and gave."""

    weight: Tensor
    h: Tensor
    z: Tensor
    y: Tensor
    disturb: Way
    norms: list[Kept]
    after: Way


@dataclass(slots=True)
class Tape:
    """What a whole forward pass keeps, until the next one."""

    shape: torch.Size
    """Of the rows as they enter."""
    entered: Way
    hidden: list[Passed]
    h: Tensor
    """What the output layer takes, and its weights."""
    weight: Tensor
    dropped: Way
    first: tuple[Tensor, Tensor] | None = None
    """∂L by what the first layer gives, and that layer's weights; after the way back."""


class DenseChain:
    """hₗ₊₁ = a(hₗWₗ + bₗ) ⊙ Mₗ for the hidden layers, scores = hW + b; forward, then backward.

    In place of the mask M may stand any layers that are ``ByHand``, also before the first layer,
    around weights, and between a layer and its activation.

    Shapes: h ``[K, B, in]``; W ``[K, in, out]``; b ``[K, out]``; M ``[K, B, out]``, none for 1;
    scores ``[K, B, O]``.
    """

    def __init__(
        self,
        entrance: Sequence[ByHand],
        links: Sequence[Link],
        activation: Activation,
        embedding: Embedding | None = None,
    ) -> None:
        self._entrance, self._activation, self._embedding = entrance, activation, embedding
        *self._hidden, self._output = links
        self._tape: Tape | None = None
        for link in links:
            for norm in link.norms:
                norm.bind()

    @classmethod
    def of(
        cls,
        entrance: nn.Module,
        layers: Sequence[Dense],
        norms: Iterable[nn.Module],
        dropouts: Iterable[nn.Module],
        activation: Activation,
        embedding: Embedding | None,
    ) -> "DenseChain | None":
        """Of a network's modules; none where one of them does not say its derivative."""
        links, nothing = [], nn.Identity()
        before = _layers(entrance, ByHand)
        for layer, norm, dropout in zip(
            layers, [*norms, nothing], [*dropouts, nothing], strict=True
        ):
            disturb, after = _layers(layer.disturb, ByHand), _layers(dropout, ByHand)
            between = _layers(norm, NormalizationLayer)
            if disturb is None or between is None or after is None:
                return None
            links.append(Link(layer.weight.data, layer.bias.data, disturb, between, after))
        return None if before is None else cls(before, links, activation, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Rows ``[K, B, …]`` → scores, in training mode; keeps what the way back needs."""
        apply_, apply = self._activation.apply_, self._activation.apply
        by_zeros = self._activation.by_zeros
        self._tape = None  # its memory is at hand for this pass, and still in the cache
        entered: Way = []
        rows = _forth(x, self._entrance, entered)
        h = rows.flatten(2)
        if self._embedding is not None:
            h = self._embedding.remember(h)
        hidden: list[Passed] = []
        for link in self._hidden:
            disturb: Way = []
            weight = link.weight
            if link.disturb:
                weight = _forth(weight, link.disturb, disturb)
            z = affine(h, weight, link.bias)
            norms = []
            for norm in link.norms:
                z, kept = norm.remember(z)
                norms.append(kept)
            y = apply(z) if apply_ is None else apply_(z)
            after: Way = []
            hidden.append(Passed(weight, h, z, y, disturb, norms, after))
            h = _forth(y, link.after, after, by_zeros=by_zeros) if link.after else y
        dropped: Way = []
        weight = _forth(self._output.weight, self._output.disturb, dropped)
        self._tape = Tape(rows.shape, entered, hidden, h, weight, dropped)
        return affine(h, weight, self._output.bias)

    def backward(self, g: Tensor) -> list[Tensor]:
        """From ∂L/∂scores to ∂L by every parameter: of an embedding; W₀, b₀, W₁, b₁, …; γ and β

        of the normalizations. May be called again after one ``forward``.
        """
        tape = self._passed()
        following = tape.weight
        gradients, slopes = [g.sum(1), _back(outer(tape.h, g), tape.dropped)], []
        for link, passed in zip(reversed(self._hidden), reversed(tape.hidden), strict=True):
            g = _back(back(g, following), passed.after)
            g = self._activation.derive(g, passed.z, passed.y)
            for norm, kept in zip(reversed(link.norms), reversed(passed.norms), strict=True):
                g, by_weight, by_bias = norm.backward(g, kept)
                slopes += [by_bias, by_weight]
            gradients += [g.sum(1), _back(outer(passed.h, g), passed.disturb)]
            following = passed.weight
        tape.first = g, following
        gradients = gradients[::-1] + slopes[::-1]
        if self._embedding is None or not self._embedding.learns:
            return gradients
        return self._embedding.backward(back(g, following)) + gradients

    def by_rows(self) -> Tensor:
        """∂L/∂x ``[K, B, …]``, after ``backward``."""
        tape = self._passed()
        if tape.first is None:
            raise RuntimeError("no gradient has come back to the first layer yet")
        g = back(*tape.first)
        if self._embedding is not None:
            g = self._embedding.by_rows(g)
        return _back(g.view(tape.shape), tape.entered)

    def _passed(self) -> Tape:
        if self._tape is None:
            raise RuntimeError("there is no way back before a way forth")
        return self._tape


def by_hand(trial: Trial) -> bool:
    """Whether a fleet of trials like this one is differentiated by hand, without building it.

    What ``DenseChain.of`` says of a network's modules and ``TrainingLoss`` of the batch and of
    precision, read off the specification.
    """
    network = trial.network
    if not isinstance(network, MlpSpec) or trial.training.precision != "float32":
        return False
    return not any(
        technique.needs_autograd(network) for _, technique in trial.regularization.techniques()
    )


def _layers(module: nn.Module, kind: type[Layer]) -> list[Layer] | None:
    """The layers at one place, one after another; `None` where one is of another kind."""
    if isinstance(module, nn.Identity):
        return []
    layers = [*module] if isinstance(module, nn.Sequential) else [module]
    found = [layer for layer in layers if isinstance(layer, kind)]
    return found if len(found) == len(layers) else None


def _forth(h: Tensor, layers: Sequence[ByHand], way: Way, *, by_zeros: bool = False) -> Tensor:
    """h through the layers; the first may take h's place ``by_zeros``, the others anyhow."""
    out = h if by_zeros else None
    for layer in layers:
        h, kept = layer.remember(h, out, by_zeros=by_zeros)
        way.append((layer, kept))
        out, by_zeros = h, False
    return h


def _back(g: Tensor, way: Way) -> Tensor:
    for layer, kept in reversed(way):
        g = layer.backward(g, kept)
    return g
