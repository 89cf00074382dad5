"""What is trained: the structure of the network."""

from typing import Annotated, Literal

from pydantic import Field

from worker.schema import Settings

Width = Annotated[int, Field(ge=1, le=16_384)]
Channels = Annotated[int, Field(ge=1, le=2_048)]
Activation = Literal["relu", "tanh", "gelu", "silu", "selu", "leaky_relu"]


class Structure(Settings):
    """What rules and techniques ask of any network."""

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


NetworkSpec = Annotated[
    LinearSpec | MlpSpec | ResidualMlpSpec | CnnSpec, Field(discriminator="kind")
]
