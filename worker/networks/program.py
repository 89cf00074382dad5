"""A network's forward pass in eval mode, written out: one product a layer, and little between.

What is silent in eval mode (dropout, noise) is gone, the trial dimension too; batch normalization
and what scales a residual branch are folded into the layer before them, computed in float64 and
rounded once. A network that holds anything else than what is named here has no such program: what
it does in eval mode is then for itself to say.

No step lets a row's bits depend on where the row lies, as far as that is for the step to decide:
products are left to one kernel, of matrices of more than a few columns, since kernels treat narrow
ones otherwise; exponentials are those whose kernels treat the last entries of a tensor like the
others. Who runs a program chooses how many rows it is given at a time, and proves the rest.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.networks.affine import Affine
from worker.networks.cnn import Cnn
from worker.networks.convolution import CONVOLUTIONS, Convolution, Pool, largest_under
from worker.networks.dense import NARROW, Dense
from worker.networks.embedding import PeriodicEmbedding, PiecewiseLinearEmbedding
from worker.networks.embedding_step import EmbedStep
from worker.networks.linear import Linear
from worker.networks.mlp import Mlp
from worker.networks.network import Network
from worker.networks.residual_mlp import ResidualMlp
from worker.regularization import (
    BatchNormLayer,
    LayerNormLayer,
    ShakeDropLayer,
    ShakeShakeLayer,
)
from worker.regularization.families import DropoutLayer, NoiseLayer, NormalizationLayer

Step = Callable[[Tensor], Tensor]
"""Rows to rows; a step may write over what it is given."""

_SILENT = (nn.Identity, DropoutLayer, NoiseLayer)
"""What passes a row unchanged in eval mode."""
_KNOWN = {
    *_SILENT, Linear, Mlp, ResidualMlp, Cnn, PeriodicEmbedding, PiecewiseLinearEmbedding, Dense,
    Convolution, Pool, nn.ModuleList, nn.ModuleDict, nn.Sequential, BatchNormLayer,
    LayerNormLayer, ShakeDropLayer, ShakeShakeLayer,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Program:
    """The forward pass of one network."""

    steps: tuple[Step, ...]
    flops: int
    """Multiplications and additions of one row's products."""

    def __call__(self, x: Tensor) -> Tensor:
        """Rows ``[B, …]``, which stay as they are, → scores ``[B, O]``."""
        for step in self.steps:
            x = step(x)
        return x


def write_programs(network: Network, shape: tuple[int, ...]) -> tuple[Program, ...] | None:
    """The programs of K networks for rows of a shape; none if the network holds anything unknown.

    Unknown are modules of other classes, hooks, a `forward` of an object's own, and modules that
    are in training mode.
    """
    if not all(_is_known(module) for module in network.modules()):
        return None
    trials = next(network.parameters()).shape[0]
    return tuple(_Writer(network, shape, trial).program() for trial in range(trials))


def _is_known(module: nn.Module) -> bool:
    return (
        type(module) in _KNOWN
        and not module.training
        and not module._forward_hooks
        and not module._forward_pre_hooks
        and "forward" not in vars(module)
    )


class _Writer:
    """Writes the program of one trial of a network."""

    def __init__(self, network: Network, shape: tuple[int, ...], trial: int) -> None:
        self._network, self._shape, self._trial = network, shape, trial
        self._flops = 0

    def program(self) -> Program:
        match self._network:
            case ResidualMlp():
                steps = self._residual(self._network)
            case Cnn():
                steps = self._convolutional(self._network)
            case Mlp():
                steps = self._dense(self._network)
            case _:
                steps = self._linear(self._network)
        return Program(tuple(steps), self._flops)

    def _linear(self, network: Any) -> list[Step]:
        return [_flatten, *self._layer(network.layers[0])]

    def _entrance(self, network: Mlp | ResidualMlp) -> list[Step]:
        """What comes before the first layer."""
        embedding = network.embedding
        if embedding is None:
            return [_flatten]
        if embedding.dimension is not None:
            self._flops += 2 * embedding.numbers * embedding.encoded * embedding.dimension
        return [_flatten, EmbedStep.of(embedding, self._trial)]

    def _dense(self, network: Mlp) -> list[Step]:
        steps = self._entrance(network)
        *hidden, output = network.layers
        for dense, norm in zip(hidden, network.norms, strict=True):
            steps += [*self._layer(dense, norm), network.activation.infer]
        return [*steps, *self._layer(output)]

    def _convolutional(self, network: Cnn) -> list[Step]:
        steps: list[Step] = []
        *hidden, output = network.layers
        positions, convolutions = prod(self._shape[1:]), len(network.pools)
        for number, (layer, norm) in enumerate(zip(hidden, network.norms, strict=True)):
            if number == convolutions:
                steps.append(_flatten)
            steps += self._layer(layer, norm, positions if number < convolutions else 1)
            following: list[Step] = [network.activation.infer]
            if number < convolutions:
                pool = network.pools[number]
                if not isinstance(pool, Pool):
                    raise TypeError(f"maps are pooled, not given to {type(pool).__name__}")
                if max(pool.window) > 1:  # first where that is the same
                    following.insert(0 if network.activation.rises else 1, _Shrink(pool.window))
                positions = prod(pool.sizes)
            steps += following
        return [*steps, _flatten, *self._layer(output)]

    def _residual(self, network: ResidualMlp) -> list[Step]:
        steps = [*self._entrance(network), *self._layer(network.layers[0])]
        activate = network.activation.infer
        for block, branch in enumerate(network.branches):
            one, two = 2 * block + 1, 2 * block + 2
            scale, even = self._scale(branch), 1.0
            if network.merges:
                even = self._even(network.merges[block])
            layers, norm = network.layers, network.norms[one]
            branches = [self._branch(layers[one], norm, activate, layers[two], scale * even)]
            if even != 1.0:
                twins, norm = network.twins, network.twin_norms[str(one)]
                first, second = twins[str(one)], twins[str(two)]
                branches.append(self._branch(first, norm, activate, second, scale * (1.0 - even)))
            enter = (*self._norms(network.norms[2 * block]), activate)
            steps.append(_Block(enter, tuple(branches)))
        steps += [*self._norms(network.norms[-1]), activate]
        return [*steps, *self._layer(network.layers[-1])]

    def _branch(
        self, first: nn.Module, norm: nn.Module, activate: Step, second: nn.Module, scale: float
    ) -> tuple[Step, ...]:
        """F of a residual block, times a number."""
        return (*self._layer(first, norm), activate, *self._layer(second, scale=scale))

    def _layer(
        self,
        layer: nn.Module,
        norm: nn.Module | None = None,
        positions: int = 1,
        *,
        scale: float = 1.0,
    ) -> list[Step]:
        """A layer and the normalization behind it, folded into it as far as that goes."""
        if not isinstance(layer, Affine):
            raise TypeError(f"a layer is dense or a convolution, not {type(layer).__name__}")
        weight = layer.weight[self._trial].double().numpy() * scale
        bias = layer.bias[self._trial].double().numpy() * scale
        self._flops += 2 * weight.size * positions
        axes = weight.ndim - 2
        layers = list(self._on(norm))
        while layers and isinstance(layers[0], BatchNormLayer):
            factor, shift = self._batch_norm(layers.pop(0))
            weight = weight * (factor.reshape(-1, 1, *[1] * axes) if axes else factor)
            bias = bias * factor + shift
        first: Step = _Convolve.of(weight, bias) if axes else _Multiply.of(weight, bias)
        return [first, *(self._norm(each, axes) for each in layers)]

    def _norms(self, norm: nn.Module) -> list[Step]:
        """A normalization behind which there is no layer to fold it into."""
        return [self._norm(layer, 0) for layer in self._on(norm)]

    def _norm(self, layer: NormalizationLayer, axes: int) -> Step:
        if isinstance(layer, BatchNormLayer):
            factor, shift = self._batch_norm(layer)
            return _Scale(_widened(factor, axes), _widened(shift, axes))
        gamma, beta = (p[self._trial].double().numpy() for p in (layer.weight, layer.bias))
        return _Standardize(layer.epsilon, _Scale(_widened(gamma, axes), _widened(beta, axes)))

    def _on(self, norm: nn.Module | None) -> Iterator[NormalizationLayer]:
        """The layers of a normalization that this trial has, in their order."""
        for layer in () if norm is None else _layers(norm):
            if isinstance(layer, NormalizationLayer) and layer.on.flatten()[self._trial]:
                yield layer

    def _batch_norm(
        self, layer: NormalizationLayer
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What batch normalization multiplies by, and then adds."""
        gamma, beta, mean, variance = (
            getattr(layer, name)[self._trial].double().numpy()
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + layer.epsilon)
        return factor, beta - mean * factor

    def _scale(self, branch: nn.Module) -> float:
        """What the branch of a residual block is multiplied by."""
        return prod(
            1.0 - float(layer.amount.double().flatten()[self._trial])
            for layer in _layers(branch)
            if isinstance(layer, ShakeDropLayer)
        )

    def _even(self, merge: nn.Module) -> float:
        """The share of the first of two branches."""
        if not isinstance(merge, ShakeShakeLayer):
            raise TypeError(f"branches are merged by no {type(merge).__name__}")
        return float(merge.even.double().flatten()[self._trial])


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """The layers at one place of a network."""
    yield from module if isinstance(module, nn.Sequential) else (module,)


def _float32(numbers: NDArray[np.float64]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)


def _widened(numbers: NDArray[np.float64], axes: int) -> NDArray[np.float32]:
    """``[F]`` to meet rows ``[B, F, …]``."""
    return numbers.astype(np.float32).reshape(-1, *[1] * axes)


def _flatten(h: Tensor) -> Tensor:
    """``[B, …]`` → ``[B, F]``."""
    return h.flatten(1)


@dataclass(frozen=True, eq=False)
class _Multiply:
    """``h W + b``: W ``[in, out]``."""

    weight: Tensor
    bias: Tensor
    outputs: int

    @classmethod
    def of(cls, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> "_Multiply":
        outputs = len(bias)
        gap = max(0, NARROW - outputs)
        wide = np.pad(weight, ((0, 0), (0, gap)))
        return cls(_float32(wide), _float32(np.pad(bias, (0, gap))), outputs)

    def __call__(self, h: Tensor) -> Tensor:
        product = torch.addmm(self.bias, h, self.weight)
        if self.outputs >= NARROW:
            return product
        return product[:, : self.outputs].contiguous()


@dataclass(frozen=True, eq=False)
class _Convolve:
    """``W * h + b``, padded to keep its size: W ``[out, in, …]``."""

    weight: Tensor
    bias: Tensor
    convolve: Callable[..., Tensor]

    @classmethod
    def of(cls, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> "_Convolve":
        return cls(_float32(weight), _float32(bias), CONVOLUTIONS[weight.ndim - 2])

    def __call__(self, h: Tensor) -> Tensor:
        return self.convolve(h, self.weight, self.bias, padding="same").contiguous()


@dataclass(frozen=True, eq=False)
class _Shrink:
    """The largest number under each window."""

    window: tuple[int, ...]

    def __call__(self, h: Tensor) -> Tensor:
        return largest_under(h, self.window)


@dataclass(frozen=True, eq=False)
class _Scale:
    """``h s + t``: as two operations, each rounded, wherever an entry lies."""

    factor: NDArray[np.float32]
    shift: NDArray[np.float32]

    def __call__(self, h: Tensor) -> Tensor:
        values = h.numpy()
        values *= self.factor
        values += self.shift
        return h


@dataclass(frozen=True, eq=False)
class _Standardize:
    """Layer normalization: ``(h − μ)/√(σ² + ε)`` over all numbers of a row, then γ and β."""

    epsilon: float
    scale: _Scale

    def __call__(self, h: Tensor) -> Tensor:
        rows = h.numpy().reshape(len(h), -1)
        share = np.float32(1.0 / rows.shape[1])
        rows -= np.add.reduce(rows, axis=1, keepdims=True) * share
        variance = np.add.reduce(np.square(rows), axis=1, keepdims=True)
        variance *= share
        variance += np.float32(self.epsilon)
        rows /= np.sqrt(variance, out=variance)
        return self.scale(h)


@dataclass(frozen=True, eq=False)
class _Block:
    """A residual block: h ← h + Σ F(a), where a is what its entrance makes of h."""

    enter: tuple[Step, ...]
    branches: tuple[tuple[Step, ...], ...]

    def __call__(self, h: Tensor) -> Tensor:
        a = h.clone()
        for step in self.enter:
            a = step(a)
        for branch in self.branches:
            first, *others = branch
            added = first(a)
            for step in others:
                added = step(added)
            h.add_(added)
        return h
