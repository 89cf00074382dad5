"""The convolution of K networks at once, and the pooling behind it.

On a processor maps lie channels last, one trial after another: ``[K, B, H, W, C]`` in memory, as
kernels of convolutions and of pooling want them, and a view of ``[K, B, C, H, W]`` is what layers
give each other. On a GPU they lie row by row, each row with all its trials, so that the groups of
one convolution are a view.

A series is an image of height 1.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.networks.affine import Affine
from worker.networks.dense import multiply_add
from worker.shapes import shaped

CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d}
POOLS: dict[int, Callable[..., Tensor]] = {1: functional.max_pool1d, 2: functional.max_pool2d}
FEW_TAPS = 16
"""Inputs under a kernel up to which a convolution is a matrix product of what lies there: kernels
of convolutions take 16 channels at a time, and waste most of them here."""


def fold(h: Tensor) -> Tensor:
    """Maps ``[K, B, C, …]`` → ``[B, K·C, …]``, as convolutions in groups take them: a view on a
    GPU, but for the network's input.
    """
    return h.transpose(0, 1).flatten(1, 2)


def unfold(h: Tensor, trials: int) -> Tensor:
    """Maps ``[B, K·C, …]`` → ``[K, B, C, …]``: a view."""
    return h.view(len(h), trials, -1, *h.shape[2:]).transpose(0, 1)


def shared(x: Tensor) -> Tensor:
    """``[1, B, …]`` where all trials see the same rows and nobody asks for a derivative by them,
    else x ``[K, B, …]``.
    """
    return x[:1] if x.stride(0) == 0 and not x.requires_grad else x


def in_memory_order(h: Tensor) -> Tensor:
    """h, one number after another in memory. Kernels read off the strides what order it is, those
    of an axis of length 1 included, which may be anything in a tensor that is called contiguous.
    """
    return h.reshape(-1).view(h.shape)


class Convolution(Affine):
    """``h = W * x + b`` for K trials, padded to keep its size.

    On a processor one convolution after another, or a batched matrix product where a kernel has
    but a few inputs; a trial has the same bits among any others. On a GPU one of K groups.

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
        series = x.dim() == 4
        if series:
            x, weight = x.unsqueeze(3), weight.unsqueeze(3)
        maps = self._taps(x, weight) if self.fan_in <= FEW_TAPS else self._by_trial(x, weight)
        h = maps.permute(0, 1, 4, 2, 3)
        return h.squeeze(3) if series else h

    def _by_trial(self, x: Tensor, weight: Tensor) -> Tensor:
        """One convolution after another, ``[K, B, in, H, W]`` → ``[K, B, H, W, out]``."""
        rows = shared(x).permute(0, 1, 3, 4, 2)
        if x.shape[2] == 1:  # of one channel the kernels find no weights' derivative in good time
            rows, weight = functional.pad(rows, (0, 1)), functional.pad(weight, (0,) * 5 + (1,))
        rows = in_memory_order(rows).expand(len(x), *rows.shape[1:])
        maps = [
            functional.conv2d(h.permute(0, 3, 1, 2), w, b, padding="same").permute(0, 2, 3, 1)
            for h, w, b in zip(rows.unbind(), weight.unbind(), self.bias.unbind(), strict=True)
        ]
        return torch.stack(maps) if len(maps) > 1 else maps[0].unsqueeze(0)

    def _taps(self, x: Tensor, weight: Tensor) -> Tensor:
        """A product of what lies under the kernel at each position, as ``_by_trial``."""
        trials, rows, _, *positions = x.shape
        high, wide = weight.shape[3:]
        padded = functional.pad(shared(x), (wide // 2,) * 2 + (high // 2,) * 2)
        under = padded.unfold(3, high, 1).unfold(4, wide, 1)  # [K, B, in, H, W, high, wide]
        taps = under.permute(0, 2, 5, 6, 1, 3, 4).reshape(len(under), self.fan_in, -1)
        taps = taps.expand(trials, -1, -1).transpose(1, 2)
        maps = multiply_add(taps, weight.flatten(2).transpose(1, 2), self.bias)
        return maps.view(trials, rows, *positions, -1)

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
        if h.is_cuda:
            return unfold(self.pool(fold(h), self.window), len(h))
        if not torch.is_grad_enabled():
            return self._largest(h)
        trials, rows, *maps = h.shape
        series = len(maps) == 2
        images = in_memory_order(h.movedim(2, -1).flatten(0, 1)).movedim(-1, 1)
        if series:
            images = images.unsqueeze(2)
        window = (1, *self.window) if series else self.window
        pooled = functional.max_pool2d(images, window)
        return pooled.view(trials, rows, maps[0], *self.sizes)

    def _largest(self, h: Tensor) -> Tensor:
        """The same without derivatives, in a third of the time: an axis after another."""
        for axis, (side, size) in enumerate(zip(self.window, self.sizes, strict=True), start=3):
            parts = h.narrow(axis, 0, side * size).unfold(axis, side, side)
            h = reduce(torch.maximum, parts.unbind(-1))
        return h
