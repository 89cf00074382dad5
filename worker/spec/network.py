"""What is trained: the structure of the network."""

from typing import Annotated, Literal

from pydantic import Field

from worker.regularization.settings import Settings

Width = Annotated[int, Field(ge=1, le=16_384)]
Activation = Literal["relu", "tanh", "gelu", "silu", "selu", "leaky_relu"]


class LinearSpec(Settings):
    """No hidden layer: linear, logistic or softmax regression, by the task."""

    kind: Literal["linear"]
    """Always `linear`."""


class MlpSpec(Settings):
    """A multilayer perceptron: dense layers, each followed by norm, activation and dropout."""

    kind: Literal["mlp"] = "mlp"
    """Always `mlp`."""
    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=64)] = (
        50,
        50,
    )
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """Nonlinearity after each hidden layer. `selu` is initialized with LeCun's normal."""


NetworkSpec = Annotated[LinearSpec | MlpSpec, Field(discriminator="kind")]
