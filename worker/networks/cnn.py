"""The convolutional network."""

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from worker.networks.activations import activation
from worker.networks.convolution import Convolution, Pool
from worker.networks.dense import Dense
from worker.networks.network import Network
from worker.networks.slots import Slots
from worker.spec import CnnSpec


class Cnn(Network):
    """Convolutions, each followed by norm, activation, pooling and dropout; then dense layers.

    Layers are numbered on from the first convolution to the output.
    """

    sequential = True

    def __init__(self, spec: CnnSpec, shape: tuple[int, ...], outputs: int, slots: Slots) -> None:
        super().__init__()
        axes = len(shape) - 1
        kernel, sizes = (spec.kernel_size,) * axes, shape[1:]
        self.widest = prod(shape)
        self.lecun = spec.activation == "selu"
        self.activation = activation(spec.activation)
        self.input = slots.input(len(shape))
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        self.pools, self.dropouts = nn.ModuleList(), nn.ModuleList()
        for layer, (width, following) in enumerate(pairwise((shape[0], *spec.channels))):
            self.layers.append(
                Convolution(slots.trials, width, following, kernel, slots.weights(layer, axes))
            )
            self.norms.append(slots.normalization(following, axes))
            self.widest = max(self.widest, following * prod(sizes))
            pool = Pool(spec.pool, sizes)
            sizes = pool.sizes
            self.pools.append(pool)
            self.dropouts.append(slots.hidden(layer, axes))
        widths = (spec.channels[-1] * prod(sizes), *spec.hidden, outputs)
        for layer, (width, following) in enumerate(pairwise(widths), start=spec.conv_layers):
            self.layers.append(Dense(slots.trials, width, following, slots.weights(layer)))
            if layer < spec.depth:
                self.norms.append(slots.normalization(following))
                self.dropouts.append(slots.hidden(layer))

    def forward(self, x: Tensor) -> Tensor:
        """Images ``[K, B, C, H, W]`` or series ``[K, B, C, L]`` → ``[K, B, O]``."""
        *hidden, output = self.layers
        h = self.input(x)
        for number, (layer, norm, dropout) in enumerate(
            zip(hidden, self.norms, self.dropouts, strict=True)
        ):
            if number == len(self.pools):
                h = h.flatten(2)
            h = norm(layer(h))
            if number >= len(self.pools):
                h = self.activation.over(h)
            elif self.activation.rises:  # the largest first: the same, of fewer numbers
                h = self.activation.over(self.pools[number](h))
            else:
                h = self.pools[number](self.activation.over(h))
            h = dropout(h)
        scores: Tensor = output(h.flatten(2))
        return scores
