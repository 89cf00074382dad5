"""An embedding of numbers as a step of a written-out program: one trial, rows in, rows out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from worker.networks.dense import NARROW
from worker.networks.embedding import Embedding


@dataclass(frozen=True, eq=False)
class EmbedStep:
    """Numbers become ``ReLU(e(x)W + b)``, or e(x) alone; the other inputs follow as they are.

    W ``[P, E, D]``, b ``[P, 1, D]``, both none without a dense layer. Narrow ones are widened by
    zeros both ways: batched products of few numbers go through another kernel.
    """

    places: NDArray[np.int64]
    others: NDArray[np.int64]
    encode: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """``[P, B, 1]`` → ``[P, B, E]``"""
    weight: Tensor | None
    bias: Tensor | None
    width: int

    @classmethod
    def of(cls, embedding: Embedding, trial: int) -> "EmbedStep":
        """That of one trial."""
        weight = bias = None
        if embedding.weight is not None and embedding.bias is not None:
            gap = max(0, NARROW - embedding.width)
            below = max(0, NARROW - embedding.encoded)
            own = embedding.weight[trial].double().numpy()
            added = embedding.bias[trial].double().numpy().reshape(len(own), 1, -1)
            weight = _as_float32(np.pad(own, ((0, 0), (0, below), (0, gap))))
            bias = _as_float32(np.pad(added, ((0, 0), (0, 0), (0, gap))))
        return cls(
            embedding.places.numpy(),
            embedding.others.numpy(),
            embedding.of_trial(trial),
            weight,
            bias,
            embedding.width,
        )

    def __call__(self, h: Tensor) -> Tensor:
        """``[B, F]`` → ``[B, P·D + F − P]``."""
        x = h.numpy()
        rows, count = len(x), len(self.places)
        encoded = torch.from_numpy(self.encode(x.T[self.places][:, :, None]))
        if self.weight is not None and self.bias is not None:
            below = self.weight.shape[1] - encoded.shape[2]
            encoded = functional.pad(encoded, (0, below)) if below else encoded
            encoded = torch.baddbmm(self.bias, encoded, self.weight).relu_()[:, :, : self.width]
        out = np.empty((rows, count * self.width + len(self.others)), dtype=np.float32)
        out[:, : count * self.width] = encoded.numpy().transpose(1, 0, 2).reshape(rows, -1)
        out[:, count * self.width :] = x[:, self.others]
        return torch.from_numpy(out)


def _as_float32(numbers: NDArray[np.float64]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)
