"""The layout of a network: how many weights each layer has and how they begin.

Nothing is allocated.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from worker.networks.affine import Affine
from worker.networks.build import build_network
from worker.networks.embedding import Embedding, PeriodicEmbedding
from worker.networks.parameters import NO_LAYER, layer_number
from worker.regularization import BatchNorm, LayerNorm, Regularization, ShakeShake
from worker.spec import CnnSpec, NetworkSpec


@dataclass(frozen=True)
class Block:
    """Parameters of one layer that begin alike."""

    layer: int
    """Number of the layer, from 0 at the input."""
    count: int
    """How many there are, in one trial."""
    weight: bool
    """Whether they are entries of a weight matrix, not biases or of a normalization."""
    size: float
    """E|w| of the initial weights."""
    square: float
    """E w² of the initial weights."""
    fourth: float
    """E w⁴ of the initial weights."""
    units: int
    """Columns of their matrix, one a unit; of biases as many as there are."""


@dataclass(frozen=True)
class Layout:
    """All parameters of one trial, block by block."""

    blocks: tuple[Block, ...]
    positions: tuple[int, ...]
    """How often each layer's weights are used for one row: once in a dense layer."""
    units: int
    """Numbers that the layers make of one row."""

    @property
    def parameters(self) -> int:
        """How many numbers one trial learns."""
        return sum(block.count for block in self.blocks)

    @property
    def multiplications(self) -> int:
        """Of the forward pass of one row."""
        return sum(b.count * self.positions[b.layer] for b in self.blocks if b.weight)

    def chosen(self, *, biases: bool, layers: Sequence[int] | None) -> tuple[Block, ...]:
        """The blocks that a technique acts on, as ``ParameterIndex.chosen`` has it."""
        return tuple(
            block
            for block in self.blocks
            if (block.weight or biases)
            and block.layer != NO_LAYER
            and (layers is None or block.layer in layers)
        )


def lay_out(
    spec: NetworkSpec,
    shape: tuple[int, ...],
    outputs: int,
    regularization: Regularization,
    numbers: tuple[int, ...] | None = None,
) -> Layout:
    """The layout of a network for rows of a shape, with what its techniques add to it.

    ``numbers`` are the inputs that an embedding takes.
    """
    return _lay_out(
        spec.alike,
        shape,
        outputs,
        None if spec.embeds is None else numbers,
        batch_norm=regularization.batch_norm is not None,
        layer_norm=regularization.layer_norm is not None,
        twins=regularization.shake_shake is not None,
    )


@lru_cache(maxsize=256)
def _lay_out(
    spec: NetworkSpec,
    shape: tuple[int, ...],
    outputs: int,
    numbers: tuple[int, ...] | None,
    *,
    batch_norm: bool,
    layer_norm: bool,
    twins: bool,
) -> Layout:
    structural = Regularization(
        batch_norm=BatchNorm() if batch_norm else None,
        layer_norm=LayerNorm() if layer_norm else None,
        shake_shake=ShakeShake() if twins else None,
    )
    with torch.device("meta"):
        network = build_network(spec, shape, outputs, [structural], numbers=numbers)
    positions = _positions(spec, shape)
    blocks: list[Block] = []
    units = 0
    for name, module in network.named_modules():
        own = list(module.named_parameters(recurse=False))
        if isinstance(module, Affine):
            units += module.bias[0].numel() * positions[layer_number(name)]
            for kind, parameter in own:
                weight = kind == "weight"
                moments = _moments(module.fan_in, weight=weight, lecun=network.lecun)
                columns = module.bias[0].numel()
                blocks.append(
                    Block(layer_number(name), parameter.numel(), weight, *moments, units=columns)
                )
        elif isinstance(module, Embedding):
            units += module.units
            blocks += _embedded(module)
        else:  # a normalization begins with γ = 1 and β = 0
            for kind, parameter in own:
                one, count = float(kind == "weight"), parameter.numel()
                blocks.append(Block(layer_number(name), count, False, one, one, one, count))
    return Layout(tuple(blocks), positions, units)


def _embedded(embedding: Embedding) -> Iterator[Block]:
    """W of each number, all biases, and frequencies, on which nothing acts."""
    count, columns = embedding.numbers, embedding.width
    if embedding.dimension is not None:
        moments = _moments(embedding.encoded, weight=True, lecun=False)
        for _ in range(count):
            yield Block(0, embedding.encoded * columns, True, *moments, units=columns)
        yield Block(0, count * columns, False, *moments, units=count * columns)
    if isinstance(embedding, PeriodicEmbedding):
        frequencies = count * embedding.encoded // 2
        yield Block(NO_LAYER, frequencies, False, 0.0, 0.0, 0.0, frequencies)


def _moments(fan_in: int, *, weight: bool, lecun: bool) -> tuple[float, float, float]:
    """E|w|, E w² and E w⁴ of the initial weights, as ``Affine.draw`` draws them.

    Uniform on ±1/√n: 1/(2√n), 1/(3n) and 1/(5n²). Normal of variance 1/n: √(2/πn), 1/n and 3/n².
    """
    if not lecun:
        return 1 / (2 * math.sqrt(fan_in)), 1 / (3 * fan_in), 1 / (5 * fan_in**2)
    if not weight:
        return 0.0, 0.0, 0.0
    return math.sqrt(2 / (math.pi * fan_in)), 1 / fan_in, 3 / fan_in**2


def _positions(spec: NetworkSpec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A convolution's weights are used at each position of its maps, which pooling makes fewer."""
    found, sizes = [], shape[1:]
    for _ in range(spec.conv_layers):
        found.append(math.prod(sizes))
        pool = spec.pool if isinstance(spec, CnnSpec) else 1
        sizes = tuple(size // min(pool, size) for size in sizes)
    return (*found, *[1] * (spec.depth + 1 - spec.conv_layers))
