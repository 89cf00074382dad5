"""What is trained: the structure of the network."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from worker.schema import Settings

Width = Annotated[int, Field(ge=1, le=16_384)]
Channels = Annotated[int, Field(ge=1, le=2_048)]
Activation = Literal["relu", "tanh", "gelu", "silu", "selu", "leaky_relu"]


class Periodic(Settings):
    """Each number x becomes ReLU(W·[cos 2πc₁x … cos 2πcₘx, sin 2πc₁x … sin 2πcₘx] + b).

    W, b and the frequencies c are the column's own and are all trained. W is a weight matrix, on
    which penalties and decay act as on those of the first layer; b and c are left alone. Known as
    PLR.

    Shapes: c [frequencies], W [dimension, 2·frequencies], b [dimension] for each number.
    Source: Gorishniy, Rubachev & Babenko 2022, arXiv:2203.05556
    """

    kind: Literal["periodic"]
    """Always `periodic`."""
    frequencies: Annotated[int, Field(ge=1, le=512)] = 24
    """m, frequencies of each number."""
    sigma: Annotated[float, Field(gt=0.0, le=100.0)] = 0.1
    """σ: frequencies begin normal with mean 0 and this deviation, in periods a unit of the number
    as preprocessed. The setting that matters most: search it from 0.01 to 1, in logarithm. Trials
    that differ in it share a fleet."""
    dimension: Annotated[int, Field(ge=1, le=512)] = 24
    """Inputs of the first layer that each number becomes."""


class PiecewiseLinear(Settings):
    """Each number x becomes T numbers, one a bin: how far x has come through it.

    e_t = (x − b_{t−1}) / (b_t − b_{t−1}), not below 0 but in the first bin, and not above 1 but in
    the last. The edges b are read off the training rows and stay. Of fewer different edges than
    asked for, the remaining e_t are 0. With a dimension, ReLU(W·e + b) follows, W and b the
    column's own: W is a weight matrix, on which penalties and decay act as on those of the first
    layer.

    Source: Gorishniy, Rubachev & Babenko 2022, arXiv:2203.05556
    """

    kind: Literal["piecewise_linear"]
    """Always `piecewise_linear`."""
    bins: Annotated[int, Field(ge=2, le=512)] = 32
    """T, most bins of each number."""
    by: Literal["quantile", "tree"] = "quantile"
    """Where the edges lie: at the quantiles 0, 1/T … 1 of the training rows, or where a decision
    tree with at most T leaves splits the column to predict the target."""
    dimension: Annotated[int, Field(ge=1, le=512)] | None = None
    """Inputs of the first layer that each number becomes; without it, the T numbers."""


EmbeddingSpec = Annotated[Periodic | PiecewiseLinear, Field(discriminator="kind")]
EMBEDDING_FIELDS: Mapping[str, frozenset[str]] = {
    "periodic": frozenset(Periodic.model_fields),
    "piecewise_linear": frozenset(PiecewiseLinear.model_fields),
}
"""What each kind of embedding has, so that a search knows what to draw for it."""


class Structure(Settings):
    """What rules and techniques ask of any network."""

    @model_validator(mode="before")
    @classmethod
    def embeds_where_it_can(cls, given: Any) -> Any:
        """Say why a network takes no embedding of numbers, where it takes none."""
        if isinstance(given, dict) and "embedding" in given and "embedding" not in cls.model_fields:
            raise ValueError(
                f"a {given.get('kind')} network has no embedding of numbers: only mlp and "
                "residual_mlp have; choose one of them, or leave the embedding out"
            )
        return given

    @property
    def embeds(self) -> "EmbeddingSpec | None":
        """How numbers enter, where they do not as they are."""
        return None

    @property
    def alike(self) -> "Structure":
        """The same network, without what differs between trials of one fleet."""
        return self

    @property
    def depth(self) -> int:
        """Layers before the output; the output is layer number `depth`."""
        return 0

    @property
    def dropout_sites(self) -> int:
        """Places of dropout behind an activation."""
        return self.depth

    @property
    def conv_layers(self) -> int:
        """How many of these places hold feature maps; they are the first."""
        return 0

    @property
    def residual_blocks(self) -> int:
        """Residual branches."""
        return 0


class LinearSpec(Structure):
    """No hidden layer: linear, logistic or softmax regression, by the task."""

    kind: Literal["linear"]
    """Always `linear`."""
    intercept: bool = True
    """Whether there is a constant beside the features; without, the score of a row of zeros is 0.
    Standardized features and targets have means of 0, so set `preprocessing` to `none` for a
    regression through the origin of the data."""


class MlpSpec(Structure):
    """A multilayer perceptron: dense layers, each followed by norm, activation and dropout."""

    kind: Literal["mlp"] = "mlp"
    """Always `mlp`."""
    hidden: Annotated[
        tuple[Width, ...], Field(fail_fast=True, strict=False, min_length=1, max_length=64)
    ] = (
        50,
        50,
    )
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """Nonlinearity after each hidden layer. `selu` is initialized with LeCun's normal."""
    embedding: EmbeddingSpec | None = None
    """How numbers enter; as they are unless given. Categories pass by it."""

    @property
    def embeds(self) -> EmbeddingSpec | None:
        """The embedding."""
        return self.embedding

    @property
    def alike(self) -> "MlpSpec":
        """With any σ for none."""
        return _of_any_sigma(self)

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.hidden)


class ResidualMlpSpec(Structure):
    """A residual network of dense layers: one to begin with, then blocks of two that add to it.

    h ← h + W₂·drop(act(norm(W₁·act(norm(h))))), with a norm where a technique asks for one; the
    order within a block is that of He et al. 2016, arXiv:1603.05027. By default the 9 layers of
    512 units of Kadra et al. 2021, arXiv:2106.11189.
    """

    kind: Literal["residual_mlp"]
    """Always `residual_mlp`."""
    width: Width = 512
    """Units of every layer."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 4
    """Blocks of two layers. Dropout acts between the two."""
    activation: Activation = "relu"
    """Nonlinearity before each layer but the first. `selu` is initialized with LeCun's normal."""
    embedding: EmbeddingSpec | None = None
    """How numbers enter; as they are unless given. Categories pass by it."""

    @property
    def embeds(self) -> EmbeddingSpec | None:
        """The embedding."""
        return self.embedding

    @property
    def alike(self) -> "ResidualMlpSpec":
        """With any σ for none."""
        return _of_any_sigma(self)

    @property
    def depth(self) -> int:
        """One layer, and two a block."""
        return 1 + 2 * self.blocks

    @property
    def dropout_sites(self) -> int:
        """One a block."""
        return self.blocks

    @property
    def residual_blocks(self) -> int:
        """One a block."""
        return self.blocks


class CnnSpec(Structure):
    """A convolutional network: of images (C, H, W) or of series (C, L).

    Each convolution (same padding) is followed by norm, activation, max pooling and dropout; then
    come dense layers as in `mlp`.
    """

    kind: Literal["cnn"]
    """Always `cnn`."""
    channels: Annotated[
        tuple[Channels, ...], Field(fail_fast=True, strict=False, min_length=1, max_length=32)
    ] = (
        32,
        64,
    )
    """Feature maps of each convolutional layer."""
    kernel_size: Literal[1, 3, 5, 7, 9, 11] = 3
    """Side of the kernels."""
    pool: Annotated[int, Field(ge=1, le=8)] = 2
    """Side of the pooling window after each convolution; 1 for none. Maps stop shrinking at 1."""
    hidden: Annotated[tuple[Width, ...], Field(fail_fast=True, strict=False, max_length=16)] = (
        128,
    )
    """Units of each dense layer between the maps and the output; may be empty."""
    activation: Activation = "relu"
    """Nonlinearity after each hidden layer. `selu` is initialized with LeCun's normal."""

    @property
    def depth(self) -> int:
        """Convolutional and dense hidden layers."""
        return len(self.channels) + len(self.hidden)

    @property
    def conv_layers(self) -> int:
        """Convolutional layers."""
        return len(self.channels)


_Embedding = TypeVar("_Embedding", MlpSpec, ResidualMlpSpec)


def _of_any_sigma(network: _Embedding) -> _Embedding:
    embedding = network.embedding
    if not isinstance(embedding, Periodic):
        return network
    common = Periodic(
        kind="periodic", frequencies=embedding.frequencies, dimension=embedding.dimension
    )
    return network.model_copy(update={"embedding": common})


NetworkSpec = Annotated[
    LinearSpec | MlpSpec | ResidualMlpSpec | CnnSpec, Field(discriminator="kind")
]
