"""Embeddings of numbers, column by column, for K networks at once.

Gorishniy, Rubachev & Babenko 2022, arXiv:2203.05556. The value and, for chains of dense layers, the
slope are written out here; other networks go through autograd.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from worker.networks.dense import affine, back, multiply_add, outer
from worker.regularization import derive_seed
from worker.spec import EmbeddingSpec, Periodic, PiecewiseLinear

_aten = torch.ops.aten
_Numbers = NDArray[np.float32]
TURN = 2 * math.pi
WIDEST = float(np.finfo(np.float32).max)


class Embedding(nn.Module, ABC):
    """Of P numbers among the F inputs, each becomes D inputs of the first layer; the others pass.

    ``h = [ReLU(e(x₁)W₁ + b₁) … ReLU(e(x_P)W_P + b_P), others]``, or without a dimension
    ``[e(x₁) … e(x_P), others]``, where e makes E numbers of one.

    Shapes: x ``[K, B, F]``; W ``[K, P, E, D]``; b ``[K, P·D]``; h ``[K, B, P·D + F − P]``.
    """

    places: Tensor
    others: Tensor

    def __init__(
        self, trials: int, inputs: int, numbers: Sequence[int], encoded: int, dimension: int | None
    ) -> None:
        super().__init__()
        self.trials, self.numbers, self.encoded = trials, len(numbers), encoded
        self.dimension = dimension
        """D of the dense layer; none without one."""
        own = set(numbers)
        others = [place for place in range(inputs) if place not in own]
        self.outputs = self.numbers * self.width + len(others)
        """Inputs of the first layer."""
        self._ordered = list(numbers) == list(range(len(numbers)))
        self._others = len(others)
        # Positions are known from the columns, and so no part of a model's state.
        self.register_buffer("places", torch.tensor(numbers, dtype=torch.long), persistent=False)
        self.register_buffer("others", torch.tensor(others, dtype=torch.long), persistent=False)
        self.weight: nn.Parameter | None = None
        self.bias: nn.Parameter | None = None
        if dimension is not None:
            # First of all parameters, so that it begins at a multiple of 16 bytes.
            self.weight = nn.Parameter(torch.empty(trials, self.numbers, encoded, dimension))
            self.bias = nn.Parameter(torch.empty(trials, self.numbers * dimension))

    @property
    def width(self) -> int:
        """D, or E without a dimension."""
        return self.encoded if self.dimension is None else self.dimension

    @property
    def learns(self) -> bool:
        """Whether any of it is trained."""
        return any(True for _ in self.parameters())

    @property
    def units(self) -> int:
        """Numbers that it makes of one row on the way."""
        return self.numbers * (self.encoded + (self.dimension or 0)) + self.outputs

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Numbers ``[K, P, B, 1]`` → e ``[K, P, B, E]``."""

    @abstractmethod
    def of_trial(self, trial: int) -> Callable[[_Numbers], _Numbers]:
        """One trial's encoding as NumPy computes it, ``[P, B, 1]`` → ``[P, B, E]``: each entry
        alike, wherever it lies.
        """

    @abstractmethod
    def derive(self, x: Tensor, g: Tensor) -> Tensor:
        """From ∂L/∂e to ∂L/∂x ``[K, P, B, 1]``."""

    @abstractmethod
    def slope(self, x: Tensor, e: Tensor, g: Tensor) -> list[Tensor]:
        """From ∂L/∂e to what of the encoding is trained, ``[K, …]`` each."""

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, F]`` → ``[K, B, P·D + F − P]``."""
        h = self.encode(self._numbers(x))
        if self.weight is not None and self.bias is not None:
            flat = self.weight.flatten(0, 1), self.bias.reshape(-1, self.width)
            h = torch.relu(multiply_add(h.flatten(0, 1), *flat)).view(*h.shape[:3], -1)
        return self._joined(h, x)

    def remember(self, x: Tensor) -> Tensor:
        """The same without autograd; keeps what ``backward`` needs."""
        numbers = self._numbers(x)
        e = self.encode(numbers)
        h = e
        if self.weight is not None and self.bias is not None:
            flat = self.weight.flatten(0, 1), self.bias.reshape(-1, self.width)
            h = torch.relu_(affine(e.flatten(0, 1), *flat)).view(*e.shape[:3], -1)
        self._tape = numbers, e, h
        return self._joined(h, x)

    def backward(self, g: Tensor) -> list[Tensor]:
        """From ∂L/∂h to ∂L by each parameter, in their order."""
        numbers, e, _ = self._tape
        z = self._before(g)
        if self.weight is None:
            return self.slope(numbers, e, z)
        z = z.flatten(0, 1)
        by_weight = outer(e.flatten(0, 1), z).view(self.weight.shape)
        by_bias = z.sum(1).view(len(e), -1)
        by_e = back(z, self.weight.flatten(0, 1)).view(e.shape)
        return [by_weight, by_bias, *self.slope(numbers, e, by_e)]

    def by_rows(self, g: Tensor) -> Tensor:
        """From ∂L/∂h to ∂L/∂x, ``[K, B, F]``."""
        numbers, e, _ = self._tape
        z = self._before(g)
        if self.weight is not None:
            z = back(z.flatten(0, 1), self.weight.flatten(0, 1)).view(e.shape)
        by_numbers = self.derive(numbers, z).squeeze(3).transpose(1, 2)
        by_x = g.new_empty(*g.shape[:2], self.numbers + self._others)
        by_x[:, :, self.places] = by_numbers
        if self._others:
            by_x[:, :, self.others] = g[:, :, self.numbers * self.width :]
        return by_x

    def _before(self, g: Tensor) -> Tensor:
        """From ∂L/∂h to ∂L by what its dense layer gives, ``[K, P, B, D]``; by e without one."""
        h = self._tape[2]
        trials, count, rows, width = h.shape
        g = g[:, :, : count * width].reshape(trials, rows, count, width).transpose(1, 2)
        if self.weight is None:
            return g
        before: Tensor = _aten.threshold_backward(g.contiguous(), h, 0)
        return before

    @torch.no_grad()
    def draw(self, rows: Tensor, seed: int, sigmas: Tensor | None) -> None:
        """Give the trials in ``rows`` fresh weights, all the same but for the scale σ ``[rows]``.

        W and b are uniform on ±1/√E, as in ``torch.nn.Linear``.
        """
        generator = Generator().manual_seed(derive_seed(seed, "embedding"))
        bound = self.encoded**-0.5
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                drawn = torch.empty(parameter.shape[1:])
                drawn.uniform_(-bound, bound, generator=generator)
                parameter[rows] = drawn.to(parameter.device)
        self._draw(rows, generator, sigmas)

    def _draw(self, rows: Tensor, generator: Generator, sigmas: Tensor | None) -> None:
        """Draw what else is trained."""

    def _numbers(self, x: Tensor) -> Tensor:
        """``[K, B, F]`` → ``[K, P, B, 1]``."""
        numbers = x[:, :, : self.numbers] if self._ordered else x.index_select(2, self.places)
        return numbers.transpose(1, 2).unsqueeze(3)

    def _joined(self, h: Tensor, x: Tensor) -> Tensor:
        """``[K, P, B, D]`` and the other inputs → ``[K, B, P·D + F − P]``."""
        h = h.transpose(1, 2).flatten(2)
        if not self._others:
            return h
        return torch.cat([h, x.index_select(2, self.others)], dim=2)


class PeriodicEmbedding(Embedding):
    """``e(x) = [cos 2πcx, sin 2πcx]``, c ``[m]`` of each number: trained, ``[K, P·m]``."""

    def __init__(self, spec: Periodic, trials: int, inputs: int, numbers: Sequence[int]) -> None:
        super().__init__(trials, inputs, numbers, 2 * spec.frequencies, spec.dimension)
        self.sigma = spec.sigma
        self.frequencies = nn.Parameter(torch.empty(trials, self.numbers * spec.frequencies))

    def encode(self, x: Tensor) -> Tensor:
        """``[K, P, B, 1]`` → ``[K, P, B, 2m]``."""
        c = self.frequencies.view(self.trials, self.numbers, 1, -1)
        circle: Tensor = _Circle.apply(x * (TURN * c))  # type: ignore[no-untyped-call]
        return circle

    def of_trial(self, trial: int) -> Callable[[_Numbers], _Numbers]:
        """That of ``circle``."""
        turned = self.turned(trial)[:, None, :]

        def encode(x: _Numbers) -> _Numbers:
            angle = x * turned
            return np.concatenate([np.cos(angle), np.sin(angle)], axis=2)

        return encode

    def turned(self, trial: int) -> _Numbers:
        """2πc of one trial ``[P, m]``, rounded once, to float32."""
        turned: _Numbers = (TURN * self.frequencies[trial].detach().cpu()).numpy()
        return turned.reshape(self.numbers, -1)

    def derive(self, x: Tensor, g: Tensor) -> Tensor:
        """∂L/∂x = 2π Σ c·(g_sin cos − g_cos sin) over the frequencies."""
        c = self.frequencies.view(self.trials, self.numbers, 1, -1)
        return (_along(self._tape[1], g) * (TURN * c)).sum(3, keepdim=True)

    def slope(self, x: Tensor, e: Tensor, g: Tensor) -> list[Tensor]:
        """∂L/∂c = 2π Σ x·(g_sin cos − g_cos sin) over the rows."""
        angle = _along(e, g)
        return [(angle * x).sum(2).mul_(TURN).flatten(1)]

    def _draw(self, rows: Tensor, generator: Generator, sigmas: Tensor | None) -> None:
        if sigmas is None:
            sigmas = torch.full((len(rows),), self.sigma)
        c = torch.empty(self.frequencies.shape[1]).normal_(generator=generator)
        drawn = sigmas[:, None] * c
        self.frequencies[rows] = drawn.to(self.frequencies.device)


class PiecewiseLinearEmbedding(Embedding):
    """``e_t(x) = (x − b_{t−1}) / (b_t − b_{t−1})`` within the limits of each bin.

    The bins are buffers ``[K, P, T]``, fitted before training: where each begins, how wide it is,
    and the limits of its e. Those that a number does not have give 0.
    """

    low: Tensor
    span: Tensor
    least: Tensor
    most: Tensor

    def __init__(
        self, spec: PiecewiseLinear, trials: int, inputs: int, numbers: Sequence[int]
    ) -> None:
        super().__init__(trials, inputs, numbers, spec.bins, spec.dimension)
        shape = (trials, self.numbers, spec.bins)
        for name in ("low", "least", "most"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("span", torch.ones(shape))

    @property
    def bins(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where each begins, its width, and the limits of its e, ``[K, P, T]`` each."""
        return self.low, self.span, self.least, self.most

    def encode(self, x: Tensor) -> Tensor:
        """``[K, P, B, 1]`` → ``[K, P, B, T]``."""
        low, span, least, most = (tensor.unsqueeze(2) for tensor in self.bins)
        return torch.clamp((x - low) / span, least, most)

    def of_trial(self, trial: int) -> Callable[[_Numbers], _Numbers]:
        """The formula."""
        low, span, least, most = (tensor[trial].numpy()[:, None, :] for tensor in self.bins)

        def encode(x: _Numbers) -> _Numbers:
            shares: _Numbers = (x - low) / span
            np.maximum(shares, least, out=shares)
            np.minimum(shares, most, out=shares)
            return shares

        return encode

    def derive(self, x: Tensor, g: Tensor) -> Tensor:
        """The bins' ``1 / (b_t − b_{t−1})`` where x lies within their limits."""
        low, span, least, most = (tensor.unsqueeze(2) for tensor in self.bins)
        e = (x - low) / span
        return (g * ((e >= least) & (e <= most)) / span).sum(3, keepdim=True)

    def slope(self, x: Tensor, e: Tensor, g: Tensor) -> list[Tensor]:
        """Nothing of it is trained."""
        return []

    def set_edges(self, edges: Tensor) -> None:
        """Take over the edges of all bins, ``[K, P, T + 1]``, NaN behind a number's last one."""
        low, high = edges[..., :-1], edges[..., 1:]
        real = ~high.isnan()
        last = real & torch.cat([~real[..., 1:], torch.ones_like(real[..., :1])], dim=-1)
        first = torch.arange(low.shape[-1], device=low.device) == 0
        self.low.copy_(torch.where(real, low, 0.0))
        self.span.copy_(torch.where(real, high - low, 1.0))
        self.least.copy_(torch.where(first & real, -WIDEST, 0.0))
        self.most.copy_(torch.where(last, WIDEST, real.float()))


def embed(
    spec: EmbeddingSpec | None, trials: int, inputs: int, numbers: Sequence[int] | None
) -> Embedding | None:
    """The embedding of ``numbers`` among the inputs, all of them unless given; none without."""
    if spec is None:
        return None
    places = range(inputs) if numbers is None else numbers
    if isinstance(spec, Periodic):
        return PeriodicEmbedding(spec, trials, inputs, places)
    return PiecewiseLinearEmbedding(spec, trials, inputs, places)


def inputs_of(embedding: Embedding | None, inputs: int) -> int:
    """Inputs of the first layer."""
    return inputs if embedding is None else embedding.outputs


def widest(embedding: Embedding | None) -> int:
    """Most numbers of one row within an embedding."""
    return 0 if embedding is None else embedding.numbers * embedding.encoded


def circle(angle: Tensor) -> Tensor:
    """``[cos, sin]`` along the last axis, ``[…, m]`` → ``[…, 2m]``.

    On a processor NumPy's kernels, which round an angle alike wherever in a tensor it lies.
    """
    if angle.is_cuda or angle.is_meta:
        return torch.cat([angle.cos(), angle.sin()], dim=-1)
    values = angle.detach().contiguous().numpy()
    both = torch.from_numpy(np.cos(values)), torch.from_numpy(np.sin(values))
    return torch.cat(both, dim=-1)


def _along(e: Tensor, g: Tensor) -> Tensor:
    """From ∂L/∂[cos, sin] to ∂L by the angle."""
    (cos, sin), (by_cos, by_sin) = e.chunk(2, -1), g.chunk(2, -1)
    return by_sin * cos - by_cos * sin


class _Circle(torch.autograd.Function):
    """``circle`` under autograd; its own derivative is made of it."""

    @staticmethod
    def forward(ctx: Any, angle: Tensor) -> Tensor:
        """``[cos, sin]``."""
        e = circle(angle)
        ctx.save_for_backward(angle, e)
        return e

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """``g_sin cos − g_cos sin``."""
        angle, e = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again
            e = _Circle.apply(angle)  # type: ignore[no-untyped-call]
        return _along(e, gradients[0])
