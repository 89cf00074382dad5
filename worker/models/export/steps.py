"""Steps: what a trained network computes in eval mode, read off its modules.

The one reading of networks that ONNX and torch.export share. Each member of an ensemble is a path
of its own: a sequence of steps from features ``[N, …]`` to scores ``[N, O]``. Dropout and noise
leave no step. A factor for each unit that follows a dense layer or a convolution (batch
normalization, the share of a residual branch) is multiplied into its weights, in float64.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.data import Encoder, JointEncoder
from worker.errors import ModelError
from worker.models.trained_model import TrainedModel
from worker.networks import (
    Affine,
    Cnn,
    Convolution,
    JointNetwork,
    Linear,
    Mlp,
    Network,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    Pool,
    ResidualMlp,
)
from worker.regularization import (
    BatchNormLayer,
    LayerNormLayer,
    ShakeDropLayer,
    ShakeShakeLayer,
)
from worker.regularization.families import DropoutLayer, NoiseLayer, NormalizationLayer

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gemm:
    """``h W + b``: W ``[in, out]``, b ``[out]``."""

    weight: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class Convolve:
    """A convolution that keeps the size of its maps: W ``[out, in, …]``, b ``[out]``."""

    weight: Array
    bias: Array


@dataclass(frozen=True)
class MaxPool:
    """The largest number under a window that moves by its own size."""

    window: tuple[int, ...]


@dataclass(frozen=True)
class Flatten:
    """``[N, …]`` → ``[N, F]``."""


@dataclass(frozen=True)
class Activate:
    """An activation, by its name in the specification."""

    name: str


@dataclass(frozen=True, eq=False)
class Scale:
    """``factor·h + offset``, ``[F]`` each, one a unit or map."""

    factor: Array
    offset: Array


@dataclass(frozen=True, eq=False)
class Normalize:
    """Layer normalization over all of a row, then ``factor·h + offset``, ``[F]`` each."""

    epsilon: float
    factor: Array
    offset: Array


@dataclass(frozen=True, eq=False)
class Add:
    """``h + Σ branch(entry(h))`` over the branches."""

    entry: tuple["Step", ...]
    branches: tuple[tuple["Step", ...], ...]


@dataclass(frozen=True, eq=False)
class Embed:
    """Inputs at ``places`` become ``ReLU(e(x)W + b)`` each, or e(x) alone; ``others`` follow.

    With frequencies, e(x) = [cos x·turned, sin x·turned], turned = 2πc ``[P, m]``. With bins
    ``[4, P, T]`` (low, span, least, most), e(x) = (x − low)/span, kept from least to most.
    W ``[P, E, D]``, b ``[P, 1, D]``.
    """

    places: NDArray[np.int64]
    others: NDArray[np.int64]
    turned: Array | None
    bins: Array | None
    weight: Array | None
    bias: Array | None


Step = Embed | Gemm | Convolve | MaxPool | Flatten | Activate | Scale | Normalize | Add
Path = tuple[Step, ...]


def paths(model: TrainedModel) -> tuple[Path, ...]:
    """One path a member.

    Raises:
        ModelError: with code `export_keeps_dropout` if a module is in training mode, and with
            `export_unsupported` if there is one that this reading does not know.
    """
    network = model.network
    training = [name or "network" for name, module in network.named_modules() if module.training]
    if training:
        raise ModelError(
            f"The model is in training mode ({', '.join(training[:5])}), in which dropout and "
            "noise act; only models in eval mode are exported.",
            code="export_keeps_dropout",
        )
    activation = getattr(model.trial.network, "activation", "")
    if not isinstance(network, JointNetwork):
        return tuple(_Member(network, k, activation).path() for k in range(model.members))
    found: list[Path] = []
    for part in network.parts:
        activation = getattr(part.spec, "activation", "")
        found += [_Member(part.network, k, activation).path() for k in range(part.members)]
    units = zip(network.factor.double().tolist(), network.offset.double().tolist(), strict=True)
    outputs = model.target.outputs
    return tuple(
        _merged([*path, Scale(np.full(outputs, factor), np.full(outputs, offset))])
        for path, (factor, offset) in zip(found, units, strict=True)
    )


def encoders(model: TrainedModel) -> tuple[Encoder, ...]:
    """Those that the members' features come from."""
    encoder = model.encoder
    return encoder.parts if isinstance(encoder, JointEncoder) else (encoder,)


def encoder_numbers(model: TrainedModel) -> tuple[int, ...]:
    """Which of the encoders each member takes its features from."""
    network = model.network
    return network.splits if isinstance(network, JointNetwork) else (0,) * model.members


def log_odds(probability: float) -> float:
    """log p − log(1 − p), as the model that serves computes it of a threshold."""
    return float(torch.logit(torch.tensor(probability, dtype=torch.float64)))


@dataclass(frozen=True)
class _Member:
    """One member of a network: row k of all its parameters."""

    network: Network
    k: int
    activation: str

    def path(self) -> Path:
        network = self.network
        _silent(getattr(network, "input", None))
        reading: dict[type[Network], Callable[[Any], Iterator[Step]]] = {
            Linear: self._linear,
            Mlp: self._mlp,
            ResidualMlp: self._residual,
            Cnn: self._cnn,
        }
        if type(network) not in reading:
            raise _unsupported(network)
        return _merged(reading[type(network)](network))

    def _linear(self, network: Linear) -> Iterator[Step]:
        yield Flatten()
        yield self._affine(network.layers[0])

    def _entrance(self, network: Mlp | ResidualMlp) -> Iterator[Step]:
        yield Flatten()
        embedding = network.embedding
        if embedding is None:
            return
        turned = bins = weight = bias = None
        if isinstance(embedding, PeriodicEmbedding):
            turned = embedding.turned(self.k).astype(np.float64)
        elif isinstance(embedding, PiecewiseLinearEmbedding):
            bins = np.stack([tensor[self.k].double().cpu().numpy() for tensor in embedding.bins])
        else:
            raise _unsupported(embedding)
        if embedding.weight is not None and embedding.bias is not None:
            weight = self._row(embedding.weight)
            bias = self._row(embedding.bias).reshape(len(weight), 1, -1)
        places, others = embedding.places.cpu().numpy(), embedding.others.cpu().numpy()
        yield Embed(places, others, turned, bins, weight, bias)

    def _mlp(self, network: Mlp) -> Iterator[Step]:
        *hidden, output = network.layers
        yield from self._entrance(network)
        for layer, norm, dropout in zip(hidden, network.norms, network.dropouts, strict=True):
            yield self._affine(layer)
            yield from self._norm(norm)
            yield Activate(self.activation)
            _silent(dropout)
        yield self._affine(output)

    def _cnn(self, network: Cnn) -> Iterator[Step]:
        *hidden, output = network.layers
        places = zip_longest(hidden, network.norms, network.pools, network.dropouts)
        for number, (layer, norm, pool, dropout) in enumerate(places):
            if number == len(network.pools):
                yield Flatten()
            yield self._affine(layer)
            yield from self._norm(norm)
            yield Activate(self.activation)
            if isinstance(pool, Pool) and max(pool.window) > 1:
                yield MaxPool(pool.window)
            _silent(dropout)
        yield Flatten()
        yield self._affine(output)

    def _residual(self, network: ResidualMlp) -> Iterator[Step]:
        yield from self._entrance(network)
        yield self._affine(network.layers[0])
        for block in range(len(network.branches)):
            yield self._block(network, block)
        yield from self._norm(network.norms[-1])
        yield Activate(self.activation)
        yield self._affine(network.layers[-1])

    def _block(self, network: ResidualMlp, block: int) -> Add:
        one, two = 2 * block + 1, 2 * block + 2
        _silent(network.dropouts[block])
        kept = self._kept(network.branches[block])
        pairs: list[tuple[nn.Module, nn.Module, nn.Module, float]] = [
            (network.layers[one], network.norms[one], network.layers[two], 1.0)
        ]
        if network.merges:
            share = self._share(network.merges[block])
            twins, norm = network.twins, network.twin_norms[str(one)]
            pairs = [
                (network.layers[one], network.norms[one], network.layers[two], share),
                (twins[str(one)], norm, twins[str(two)], 1 - share),
            ]
        return Add(
            _merged([*self._norm(network.norms[2 * block]), Activate(self.activation)]),
            tuple(
                _merged(
                    [
                        self._affine(first),
                        *self._norm(norm),
                        Activate(self.activation),
                        self._affine(second),
                        *_times(share * kept, second),
                    ]
                )
                for first, norm, second, share in pairs
            ),
        )

    def _affine(self, layer: nn.Module) -> Gemm | Convolve:
        if not isinstance(layer, Affine):
            raise _unsupported(layer)
        _silent(layer.disturb)
        kind = Convolve if isinstance(layer, Convolution) else Gemm
        return kind(self._row(layer.weight), self._row(layer.bias))

    def _norm(self, module: nn.Module) -> Iterator[Step]:
        """The normalizations at one position; none in a trial that has them off."""
        for layer in _chained(module):
            if isinstance(layer, nn.Identity):
                continue
            if not isinstance(layer, NormalizationLayer):
                raise _unsupported(layer)
            if not bool(layer.on[self.k]):
                continue
            factor, offset = self._row(layer.weight), self._row(layer.bias)
            if isinstance(layer, BatchNormLayer):
                factor = factor / np.sqrt(self._row(layer.running_var) + layer.epsilon)
                yield Scale(factor, offset - self._row(layer.running_mean) * factor)
            elif isinstance(layer, LayerNormLayer):
                yield Normalize(layer.epsilon, factor, offset)
            else:
                raise _unsupported(layer)

    def _kept(self, module: nn.Module) -> float:
        """What is left of a residual branch in eval mode."""
        kept = 1.0
        for layer in _chained(module):
            if isinstance(layer, ShakeDropLayer):
                kept *= 1.0 - float(layer.amount[self.k])
            else:
                _silent(layer)
        return kept

    def _share(self, merge: nn.Module) -> float:
        """The first branch's share of two."""
        if not isinstance(merge, ShakeShakeLayer):
            raise _unsupported(merge)
        return float(merge.even[self.k])

    def _row(self, tensor: Tensor) -> Array:
        return tensor[self.k].detach().double().cpu().numpy()


def _chained(module: nn.Module) -> Sequence[nn.Module]:
    return list(module) if isinstance(module, nn.Sequential) else [module]


def _silent(module: nn.Module | None) -> None:
    """Make sure that a place holds nothing that acts in eval mode."""
    for layer in _chained(module or nn.Identity()):
        if not isinstance(layer, nn.Identity | DropoutLayer | NoiseLayer):
            raise _unsupported(layer)


def _times(factor: float, layer: nn.Module) -> list[Step]:
    if factor == 1.0 or not isinstance(layer, Affine):
        return []
    units = layer.bias.shape[1]
    return [Scale(np.full(units, factor), np.zeros(units))]


def _merged(steps: Iterator[Step] | list[Step]) -> Path:
    """The steps, with factors in the weights before them where there are such."""
    merged: list[Step] = []
    for step in steps:
        before = merged[-1] if merged else None
        if isinstance(step, Scale) and isinstance(before, Gemm):
            merged[-1] = Gemm(before.weight * step.factor, before.bias * step.factor + step.offset)
        elif isinstance(step, Scale) and isinstance(before, Convolve):
            factor = step.factor.reshape(-1, *[1] * (before.weight.ndim - 1))
            merged[-1] = Convolve(before.weight * factor, before.bias * step.factor + step.offset)
        else:
            merged.append(step)
    return tuple(merged)


def _unsupported(module: nn.Module) -> ModelError:
    return ModelError(
        f"The export does not know what a {type(module).__name__} computes; the model is served, "
        "but only exported as safetensors.",
        code="export_unsupported",
    )
