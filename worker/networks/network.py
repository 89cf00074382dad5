"""A network of K trials, and how one is built from its specification."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Generator, Tensor, nn

from worker.networks.affine import Affine
from worker.networks.chain import DenseChain
from worker.networks.embedding import Embedding
from worker.regularization.families import RandomLayer


class Network(nn.Module, ABC):
    """K networks of equal structure. Every parameter is stored ``[K, …]``.

    Layers are named ``layers.<n>`` and their normalizations ``norms.<n>.<technique>``, numbered
    from the input, whatever a configuration puts between them: names do not move.
    """

    lecun = False
    """Whether weights are drawn for SELU."""
    sequential = False
    """Whether each layer feeds the next one, and only that."""
    widest: int
    """Numbers of one row in its widest layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding: Embedding | None = None
        """How numbers enter, where they do not as they are."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Rows ``[K, B, …]`` → scores ``[K, B, O]`` (logits, or the value of a regression)."""

    def train(self, mode: bool = True) -> Self:
        """What every module's does, twice an epoch: an attribute of a module is dear to set."""
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def by_hand(self) -> DenseChain | None:
        """Its own backpropagation; none when autograd has to do it."""
        return None

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the probabilities and deviations of an epoch, counted from 0, of so many."""
        for module in self.modules():
            if isinstance(module, RandomLayer):
                module.start_epoch(epoch, epochs)

    def initialize(self, seeds: Sequence[int], sigmas: Sequence[float] | None = None) -> None:
        """Draw the initial weights of each trial from its own seed.

        ``sigmas`` are the trials' scales of an embedding's frequencies; that of the network's
        specification unless given.
        """
        rows: dict[int, list[int]] = {}
        for row, seed in enumerate(seeds):
            rows.setdefault(seed, []).append(row)
        for seed, members in rows.items():
            generator = Generator().manual_seed(seed)
            for module in self.modules():
                if isinstance(module, Affine):
                    module.draw(torch.tensor(members), generator, lecun=self.lecun)
            if self.embedding is not None:
                scales = None if sigmas is None else torch.tensor([sigmas[m] for m in members])
                self.embedding.draw(torch.tensor(members), seed, scales)
