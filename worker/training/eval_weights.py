"""What each trial would be served with: its weights, or what its averaging made of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from worker.networks import Network
from worker.regularization import BatchNormLayer
from worker.regularization.families import Averages
from worker.training.snapshots import Snapshots

Batches = Callable[[], Iterator[Tensor]]
"""Features ``[K, B, …]`` of the training rows, in their order."""


class EvalWeights:
    """Weights and buffers as served, beside those that train.

    Without averaging they are the same tensors and nothing is copied. ``live`` are the network's
    own, ``weights`` ``[K, P]`` and its buffers by name.
    """

    def __init__(self, network: Network, live: dict[str, Tensor], averages: Averages) -> None:
        self._network, self._live, self._averages = network, live, averages
        self.tensors = {n: t.clone() for n, t in live.items()} if averages else live

    def pass_by(self, epoch: int) -> None:
        """End an epoch, counted from 0, after which nobody looks at what would be served."""
        self._averages.take(self._live["weights"], "epoch", epoch + 1)

    @contextmanager
    def installed(self, snapshots: Snapshots, epoch: int, batches: Batches) -> Iterator[None]:
        """End an epoch, counted from 0: within, the network answers as it would be served."""
        self.pass_by(epoch)
        w = self._live["weights"]
        training = {n: t.clone() for n, t in self._live.items()} if self._averages else {}
        if self._averages:
            self._averages.give(w)
            recompute_statistics(self._network, batches, self._averages.on)
            for name, tensor in self._live.items():
                self.tensors[name].copy_(tensor)
        snapshots.take(epoch)
        yield
        for name, tensor in training.items():
            self._live[name].copy_(tensor)


@torch.no_grad()
def recompute_statistics(network: Network, batches: Batches, trials: Tensor) -> None:
    """Give batch normalization the mean statistics of all batches, in some ``trials`` ``[K]``.

    Averaged weights were never trained with, so no statistics of theirs were kept. Everything
    but the normalization itself is in eval mode: nothing is dropped, nothing random.
    Source: Izmailov et al. 2018, arXiv:1803.05407, section 3.2.
    """
    layers = [module for module in network.modules() if isinstance(module, BatchNormLayer)]
    if not layers:
        return
    kept = [(m.momentum, m.running_mean.clone(), m.running_var.clone()) for m in layers]
    network.eval()
    for layer in layers:
        layer.train()
    for number, x in enumerate(batches(), start=1):
        for layer in layers:
            layer.momentum = torch.full_like(layer.momentum, 1 / number)
        network(x)
    for layer, (momentum, mean, variance) in zip(layers, kept, strict=True):
        layer.momentum = momentum
        layer.running_mean[~trials] = mean[~trials]
        layer.running_var[~trials] = variance[~trials]
    network.train()
