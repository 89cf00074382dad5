"""The convolution of K networks at once."""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.networks.affine import Affine
from worker.shapes import shaped

CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d}
POOLS: dict[int, Callable[..., Tensor]] = {1: functional.max_pool1d, 2: functional.max_pool2d}


def fold(h: Tensor) -> Tensor:
    """Maps ``[K, B, C, …]`` → ``[B, K·C, …]``, as convolutions take them.

    Between layers maps lie in memory row by row, each row with all its trials, so that this is a
    view. Only the network's input is copied.
    """
    return h.transpose(0, 1).flatten(1, 2)


def unfold(h: Tensor, trials: int) -> Tensor:
    """Maps ``[B, K·C, …]`` → ``[K, B, C, …]``: a view."""
    return h.view(len(h), trials, -1, *h.shape[2:]).transpose(0, 1)


class Convolution(Affine):
    """``h = W * x + b`` for K trials, padded to keep its size.

    On a processor one convolution after another: those of K groups are slower at most sizes, and
    round a trial's numbers by how many trials there are. On a GPU one of K groups.

    Shapes: x ``[K, B, in, …]``; W ``[K, out, in, …]``; b ``[K, out]``; h ``[K, B, out, …]``, where
    … is (H, W) or (L).
    """

    def __init__(
        self,
        trials: int,
        inputs: int,
        outputs: int,
        kernel: Sequence[int],
        disturb: nn.Module | None = None,
    ) -> None:
        super().__init__(torch.empty(trials, outputs, inputs, *kernel), outputs, disturb)
        self.convolve = CONVOLUTIONS[len(kernel)]

    @property
    def fan_in(self) -> int:
        """The inputs under a kernel."""
        return prod(self.weight.shape[2:])

    @shaped(x="K B I …", returns="K B O …")
    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, in, …]`` → ``[K, B, out, …]``."""
        weight = self.disturb(self.weight)
        if x.is_cuda:
            return self._in_groups(x, weight)
        maps = [
            self.convolve(x[k], weight[k], self.bias[k], padding="same") for k in range(len(weight))
        ]
        return torch.stack(maps, dim=1).transpose(0, 1)

    def _in_groups(self, x: Tensor, weight: Tensor) -> Tensor:
        """One convolution of K groups: a launch for all trials."""
        trials = len(weight)
        maps = self.convolve(
            fold(x), weight.flatten(0, 1), self.bias.flatten(), padding="same", groups=trials
        )
        return unfold(maps, trials)


class Pool(nn.Module):
    """The largest number under a window that moves by its own size.

    Along an axis shorter than the window, the window is as short: axes never vanish.
    """

    def __init__(self, window: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.window = tuple(min(window, size) for size in sizes)
        self.sizes = tuple(size // side for size, side in zip(sizes, self.window, strict=True))
        """What is left of each axis."""
        self.pool = POOLS[len(self.sizes)]

    def forward(self, h: Tensor) -> Tensor:
        """``[K, B, C, …]`` → ``[K, B, C, …]``."""
        if max(self.window) == 1:
            return h
        return unfold(self.pool(fold(h), self.window), len(h))
