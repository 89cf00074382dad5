"""A network of K trials, and how one is built from its specification."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from worker.networks.dense import Dense


class Network(nn.Module, ABC):
    """K networks of equal structure. Every parameter is stored ``[K, …]``.

    Layers are named ``layers.<n>`` and their normalizations ``norms.<n>``, numbered from the
    input, whatever a configuration puts between them: names do not move.
    """

    lecun = False
    """Whether weights are drawn for SELU."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Features ``[K, B, F]`` → scores ``[K, B, O]`` (logits, or the value of a regression)."""

    def initialize(self, seeds: Sequence[int]) -> None:
        """Draw the initial weights of each trial from its own seed."""
        rows: dict[int, list[int]] = {}
        for row, seed in enumerate(seeds):
            rows.setdefault(seed, []).append(row)
        for seed, members in rows.items():
            generator = Generator().manual_seed(seed)
            for module in self.modules():
                if isinstance(module, Dense):
                    module.draw(torch.tensor(members), generator, lecun=self.lecun)
