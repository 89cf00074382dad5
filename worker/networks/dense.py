"""The dense layer of K networks at once, and matrix products that treat every trial alike.

A processor's matrix kernel chooses its way by where a matrix begins in memory. So that a trial has
the same bits at any place of any fleet, each trial's block begins at a multiple of 16 bytes; a
block that does not end at one is followed by a gap. On a GPU, where a launch costs more than a
small product, one kernel does all trials, wherever they begin.
"""

from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from worker.networks.affine import Affine
from worker.networks.products import is_quick, multiply
from worker.shapes import shaped

ALIGNED = 4
"""Numbers of float32 in 16 bytes."""
NARROW = 16
"""Matrices of fewer columns are widened by columns of zeros where a row's bits must not depend on
its place: kernels treat narrow ones otherwise."""


class Dense(Affine):
    """``h = x W + b`` for K trials: one batched matrix product.

    Shapes: x ``[K, B, in]``; W ``[K, in, out]``; b ``[K, out]``; h ``[K, B, out]``.
    """

    def __init__(
        self, trials: int, inputs: int, outputs: int, disturb: nn.Module | None = None
    ) -> None:
        super().__init__(torch.empty(trials, inputs, outputs), outputs, disturb)

    @property
    def fan_in(self) -> int:
        """The inputs."""
        return self.weight.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, in]`` → ``[K, B, out]``."""
        return multiply_add(x, self.disturb(self.weight), self.bias)


def multiply_add(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``affine``, under autograd too."""
    if (
        torch.is_grad_enabled()
        and (is_quick(h, weight) or not _ends_aligned(h, weight))
        and not _is_lowered(h)
    ):
        aligned: Tensor = _AlignedAffine.apply(h, weight, bias)  # type: ignore[no-untyped-call]
        return aligned
    return affine(h, weight, bias)


@shaped(h="K B I", weight="K I O", bias="K O", returns="K B O")
def affine(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``h W + b``, ``[K, B, in]`` → ``[K, B, out]``.

    With one column it is a sum: the matrix kernels are several times slower at that, and take
    another path for K = 1, so that a trial would differ in its last bit from its fleet of one.
    """
    if weight.shape[2] == 1:
        return (h * weight.transpose(1, 2)).sum(2, keepdim=True) + bias.unsqueeze(1)
    if torch.is_grad_enabled():  # rounded as where it is done by hand, in two operations
        return torch.bmm(h, weight).add_(bias.unsqueeze(1))
    return _multiply(h, weight, bias.unsqueeze(1))


@shaped(h="K B I", g="K B O", returns="K I O")
def outer(h: Tensor, g: Tensor) -> Tensor:
    """∂/∂W of ``hW``: ``hᵀg``, ``[K, in, out]``; a sum where ``affine`` is one."""
    if g.shape[2] == 1:
        return (h * g).sum(1).unsqueeze(2)
    return _multiply(h.transpose(1, 2), g)


@shaped(g="K B O", weight="K I O", returns="K B I")
def back(g: Tensor, weight: Tensor) -> Tensor:
    """∂/∂h of ``hW``: ``gWᵀ``, ``[K, B, in]``."""
    if g.shape[2] == 1:
        return g * weight.transpose(1, 2)
    return _multiply(g, weight.transpose(1, 2))


def _multiply(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """``A B``, or ``A B + C``: ``[K, n, p]`` of ``[K, n, m]`` and ``[K, m, p]``, no gradients.

    On a GPU, and where every trial's block of the result begins at a multiple of 16 bytes, one
    kernel does it; on a processor of factors that are aligned alike. Elsewhere the kernel is asked
    trial by trial, as for each alone: for results with gaps it would take another path.
    """
    trials, rows, _ = a.shape
    if is_quick(a, b):
        gaps = trials > 1 and rows * b.shape[2] % ALIGNED > 0
        product = multiply(a, b, empty_aligned(a, rows, b.shape[2]) if gaps else None)
        return product if c is None else product.add_(c)
    if trials == 1 or a.is_cuda or rows * b.shape[2] % ALIGNED == 0:
        if trials > 1 and not a.is_cuda:
            a = a if a.stride(0) % ALIGNED == 0 else align(a)
            b = b if b.stride(0) % ALIGNED == 0 else align(b)
        product = torch.bmm(a, b)  # baddbmm would spread C over the result before
        return product if c is None else product.add_(c)
    out = empty_aligned(a, a.shape[1], b.shape[2])
    parts = (torch.split(align(a), 1), torch.split(align(b), 1), torch.split(out, 1))
    for left, right, result in zip(*parts, strict=True):
        torch.bmm(left, right, out=result)
    return out if c is None else out.add_(c)


def empty_aligned(like: Tensor, *shape: int) -> Tensor:
    """An empty tensor ``[K, *shape]`` in which every trial begins at a multiple of 16 bytes."""
    size = prod(shape)
    gap = -size % ALIGNED if like.shape[0] > 1 else 0
    if not gap:
        return like.new_empty(len(like), *shape)
    return like.new_empty(len(like), size + gap)[:, :size].view(len(like), *shape)


def is_aligned(tensor: Tensor) -> bool:
    """Whether every trial of ``[K, …]`` begins at a multiple of 16 bytes after the first."""
    return tensor.shape[0] == 1 or tensor.stride(0) % ALIGNED == 0


def align(tensor: Tensor) -> Tensor:
    """The tensor, or a copy of it in which every trial begins at a multiple of 16 bytes."""
    if is_aligned(tensor):
        return tensor
    if tensor.stride(1) < tensor.stride(2):  # a transposed matrix stays one
        return align(tensor.transpose(1, 2)).transpose(1, 2)
    return empty_aligned(tensor, *tensor.shape[1:]).copy_(tensor)


def _ends_aligned(h: Tensor, weight: Tensor) -> bool:
    """Whether the products of a layer and of its way back are aligned without gaps."""
    (trials, rows, inputs), outputs = h.shape, weight.shape[2]
    return (
        trials == 1
        or h.is_cuda
        or not (rows * outputs % ALIGNED or rows * inputs % ALIGNED or inputs * outputs % ALIGNED)
    )


def _is_lowered(h: Tensor) -> bool:
    """Whether products are taken in a lower precision: their bits are nobody's promise."""
    kind = h.device.type
    return kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind)


class _AlignedAffine(torch.autograd.Function):
    """``affine`` under autograd, where the results of a plain product would not be aligned."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """``h W + b``."""
        ctx.save_for_backward(h, weight)
        return affine(h, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """∂/∂h (none where it is not asked for), ∂/∂W and ∂/∂b."""
        (g,), (h, weight) = gradients, ctx.saved_tensors
        asked = ctx.needs_input_grad[0]
        if torch.is_grad_enabled():  # to be differentiated again
            if weight.shape[2] == 1:
                by_h, by_weight = g * weight.transpose(1, 2), (h * g).sum(1).unsqueeze(2)
            else:
                by_h = _product(g, weight.transpose(1, 2))
                by_weight = _product(h.transpose(1, 2), g)
            return by_h, by_weight, g.sum(1)
        return back(g, weight) if asked else None, outer(h, g), g.sum(1)


class _AlignedProduct(torch.autograd.Function):
    """``A B`` ``[K, n, p]`` of ``[K, n, m]`` and ``[K, m, p]``, aligned in every derivative."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """``A B``."""
        ctx.save_for_backward(a, b)
        return _multiply(a, b)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """``G Bᵀ`` and ``Aᵀ G``."""
        (g,), (a, b) = gradients, ctx.saved_tensors
        return _product(g, b.transpose(1, 2)), _product(a.transpose(1, 2), g)


def _product(a: Tensor, b: Tensor) -> Tensor:
    product: Tensor = _AlignedProduct.apply(a, b)  # type: ignore[no-untyped-call]
    return product
