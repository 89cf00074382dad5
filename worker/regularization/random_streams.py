"""Random numbers that follow from a seed and a place, whatever the fleet.

Every random number of training belongs to a seed, a place in the network or a technique, an epoch
and a step. Trials of one seed share it, and each compares it with its own threshold; nothing
depends on which other trials there are, how many have left, or whether the process was restarted.
So a trial's numbers, and on a processor its weights, are the same bits alone and in any fleet.

::

    streams = RandomStreams(seeds=[0, 0, 7])          # K = 3 trials of two seeds
    stream = streams.at("dropout/hidden/0")
    streams.start_epoch(0, steps=8, rows=32)
    streams.start_step(5)
    keep = stream.keep(threshold, 32, 50)             # [3, 32, 50]
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Generator, Tensor

from worker.regularization.seeds import derive_seed

LEVELS = 1 << 16
"""A mask entry costs 16 random bits, so p is resolved to 1 / 65,536."""
WORDS_AHEAD = 1 << 13
"""Random words of one seed and place that are drawn in one call: further steps' are kept."""
WORDS_HELD = 1 << 21
"""Random words of one place that are kept at a time, of all seeds."""

Fill = Callable[[Tensor, Generator], object]

FILLS: dict[str, Fill] = {
    "bits": lambda empty, generator: empty.random_(
        torch.iinfo(torch.int64).min, None, generator=generator
    ),
    "uniform": lambda empty, generator: empty.uniform_(generator=generator),
    "normal": lambda empty, generator: empty.normal_(generator=generator),
}
"""How numbers are drawn into an empty tensor: 64 bits; uniform on [0, 1); standard normal."""


class RandomStreams:
    """The random numbers of K trials, by place; ``seeds`` has one seed for each trial.

    ``fixed`` keeps each draw in a tensor of its own that every step fills anew, as a captured CUDA
    graph needs it: numbers are drawn by ``start_step``, outside of the graph.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        *,
        fixed: bool = False,
    ) -> None:
        self.seeds = tuple(dict.fromkeys(seeds))
        self.trials, self.device, self.fixed = len(seeds), torch.device(device), fixed
        self.epoch, self.step, self.steps, self.rows = 0, 0, 1, 1
        self.pass_number = 0
        """Counts the passes over a step: a place that draws twice within one gets other numbers."""
        self._streams: dict[str, Stream] = {}
        self._draws: list[_Draw] = []
        number = {seed: index for index, seed in enumerate(self.seeds)}
        seed_of_trial = [number[seed] for seed in seeds]
        self._seed_of_trial: Tensor | None = None
        if 1 < len(self.seeds) < self.trials:
            self._seed_of_trial = torch.tensor(seed_of_trial, device=self.device)

    def at(self, place: str) -> "Stream":
        """The stream of a place."""
        if place not in self._streams:
            self._streams[place] = Stream(self, place)
        return self._streams[place]

    def start_epoch(self, epoch: int, *, steps: int, rows: int) -> None:
        """Begin an epoch, counted from 0, of ``steps`` steps and at most ``rows`` rows a batch."""
        self.epoch, self.steps, self.rows = epoch, steps, rows
        self.start_step(0)

    def start_step(self, step: int) -> None:
        """Go to a step of the epoch, counted from 0."""
        self.step = step
        self.rewind()
        if self.fixed:
            for draw in self._draws:
                draw.refresh()

    def rewind(self) -> None:
        """Go back to the beginning of the step: the same places draw the same numbers again."""
        self.pass_number += 1

    def by_trial(self, numbers: Tensor) -> Tensor:
        """Numbers of the seeds ``[S, …]`` → of the trials ``[K, …]``, or ``[1, …]`` for all."""
        if self._seed_of_trial is None:
            return numbers
        return numbers.index_select(0, self._seed_of_trial)

    def _register(self, draw: "_Draw") -> None:
        self._draws.append(draw)


class Stream:
    """The random numbers of one place.

    Every method gives ``[K, …]``, or ``[1, …]`` where all trials have one seed. ``rows`` is the
    number of rows of the batch, the first axis after the trials; none for numbers that a batch
    shares. The last batch of an epoch takes the first rows of what a whole one would.
    """

    def __init__(self, streams: RandomStreams, place: str) -> None:
        self.streams, self.place = streams, place
        self._pass = -1
        self._call = 0
        self._draws: list[_Draw] = []

    @property
    def trials(self) -> int:
        """K."""
        return self.streams.trials

    def at(self, name: str) -> "Stream":
        """A stream of its own for a part of this place."""
        return self.streams.at(f"{self.place}/{name}")

    def uniform(self, rows: int | None, *shape: int) -> Tensor:
        """Uniform on [0, 1), float32."""
        return self._next("uniform", rows, shape)

    def normal(self, rows: int | None, *shape: int) -> Tensor:
        """Standard normal, float32."""
        return self._next("normal", rows, shape)

    def gaussian(self, rows: int | None, *shape: int) -> Tensor:
        """Standard normal in 65,536 equally likely steps, float32: a third of the price.

        One 64-bit random number serves four entries, as of masks; within ±4.2.
        """
        bits = self._next("bits", rows, shape)
        levels = bits.view(torch.uint16).to(torch.int32).reshape(-1)
        return quantiles(bits.device).index_select(0, levels).view(bits.shape)

    def keep(self, threshold: Tensor, rows: int | None, *shape: int) -> Tensor:
        """Masks ``[K, …]``: 1 with probability 1 − p[k], else 0; float32.

        ``threshold`` is ``keep_threshold(p)``. One 64-bit random number serves four entries.
        """
        bits = self._next("bits", rows, shape)
        # To float32: a bool mask would cost a conversion at every use, and torch.where branches on
        # each entry, 40 times the price of a product. A processor compares int16 into int16, and
        # converts that; so it converts first, and compares in place.
        levels = bits if bits.is_cuda else bits.to(torch.float32)
        mask = levels
        if bits.is_cuda or len(bits) < self.trials:
            mask = torch.empty(self.trials, *bits.shape[1:], device=bits.device)
        return torch.ge(levels, threshold, out=mask)

    def chosen(self, p: Tensor, rows: int) -> Tensor:
        """``[K, B]``: 1 with probability p ``[K]``, else 0; float32."""
        return (self.uniform(rows) < p[:, None]).float()

    def around(self, limit: Tensor, rows: int) -> Tensor:
        """``[K, B]``: uniform on ±limit ``[K]``; exactly 0 where the limit is 0."""
        return (2 * self.uniform(rows) - 1) * limit[:, None]

    def permutation(self, count: int) -> Tensor:
        """``[K, count]``: a random order of the numbers from 0."""
        return self.uniform(None, count).argsort(1)

    def beta(self, alpha: Tensor) -> Tensor:
        """``[K]``: one draw each of Beta(α, α); 0 where α is 0.

        A function of four uniform numbers, so that trials of one seed and other α draw alike. With
        Y = ½(1 + √(1 − U^(2/(2α+1)))·cos 2πV) ~ Beta(α + 1, α + 1), and since Gamma(α) is
        Gamma(α + 1)·W^(1/α), logit X = logit Y + (log W₁ − log W₂)/α.

        Source: Devroye 1986, Non-uniform random variate generation, IX.3.5 and IX.4.2.
        """
        u, v, w1, w2 = (1 - self.uniform(None, 4).double()).unbind(1)  # on (0, 1]
        wide = alpha.double()
        radius = (-torch.expm1(u.log() * (2 / (2 * wide + 1)))).sqrt()
        y = (0.5 * (1 + radius * torch.cos(2 * math.pi * v))).clamp(1e-300, 1 - 1e-16)
        logit = y.log() - torch.log1p(-y) + (w1.log() - w2.log()) / wide
        return torch.where(alpha > 0, torch.sigmoid(logit).to(alpha.dtype), 0)

    def _next(self, kind: str, rows: int | None, shape: tuple[int, ...]) -> Tensor:
        """The numbers of the next call at this place in this pass."""
        if self._pass != self.streams.pass_number:
            self._pass, self._call = self.streams.pass_number, 0
        if self._call == len(self._draws):
            whole = shape if rows is None else (max(rows, self.streams.rows), *shape)
            place = f"{self.place}/{self._call}"
            self._draws.append(_Draw(self.streams, place, kind, whole))
        numbers = self._draws[self._call].now()
        self._call += 1
        return numbers if rows is None or rows == numbers.shape[1] else numbers[:, :rows]


class _Draw:
    """One call at one place: what it gives in each step, drawn for some steps ahead.

    The numbers of a seed are one sequence an epoch, so it does not matter how many steps are drawn
    at once; but for normal numbers, whose kernels take them in groups, always the same are.
    """

    def __init__(
        self, streams: RandomStreams, place: str, kind: str, shape: tuple[int, ...]
    ) -> None:
        self._streams, self._place, self._kind, self._shape = streams, place, kind, shape
        size = math.prod(shape)
        self._words = (size + 3) // 4 if kind == "bits" else size
        self._size = size
        self._generators: list[Generator] = []
        self._epoch = self._first = -1
        self._ahead: Tensor | None = None
        self._held: Tensor | None = None
        if streams.fixed:
            streams._register(self)

    def now(self) -> Tensor:
        """``[K, *shape]`` or ``[1, *shape]`` of the present step; int16 for bits."""
        if self._held is not None:
            return self._held
        if self._streams.fixed:
            self.refresh()
            return self.now()
        return self._streams.by_trial(self._of_seeds())

    def refresh(self) -> None:
        """Put the present step's numbers where a captured graph reads them."""
        numbers = self._streams.by_trial(self._of_seeds())
        if self._held is None:
            with torch.inference_mode(False):  # it outlives the step that draws first
                self._held = numbers.new_empty(numbers.shape)
        self._held.copy_(numbers)

    def _of_seeds(self) -> Tensor:
        """``[S, *shape]``."""
        streams, ahead = self._streams, self._ahead
        behind = streams.step - self._first
        if ahead is not None and self._epoch == streams.epoch and 0 <= behind < ahead.shape[1]:
            return ahead[:, behind, : self._size].view(-1, *self._shape)
        if self._epoch != streams.epoch or streams.step < self._first:
            self._epoch, self._first, self._ahead = streams.epoch, 0, None
            self._generators = [
                Generator(streams.device).manual_seed(derive_seed(seed, self._place, streams.epoch))
                for seed in streams.seeds
            ]
        while self._ahead is None or streams.step >= self._first + self._ahead.shape[1]:
            self._first += 0 if self._ahead is None else self._ahead.shape[1]
            self._ahead = self._draw(self._steps_ahead(streams.steps - self._first))
        numbers = self._ahead[:, streams.step - self._first, : self._size]
        return numbers.view(-1, *self._shape)

    def _steps_ahead(self, left: int) -> int:
        """For how many steps numbers are drawn in one call."""
        if self._kind == "normal":
            return 1
        words = max(self._words, 1)
        ahead = WORDS_AHEAD // words
        if self._streams.device.type == "cpu":
            ahead = min(ahead, WORDS_HELD // (words * len(self._streams.seeds)))
        return max(1, min(ahead, left))

    def _draw(self, steps: int) -> Tensor:
        """``[S, steps, size]``: the next numbers of every seed."""
        seeds, device = len(self._generators), self._streams.device
        dtype = torch.int64 if self._kind == "bits" else torch.float32
        words = torch.empty(seeds, steps, self._words, dtype=dtype, device=device)
        fill = FILLS[self._kind]
        for row, generator in zip(words, self._generators, strict=True):
            fill(row, generator)
        return words.view(torch.int16) if self._kind == "bits" else words


@lru_cache
def quantiles(device: torch.device) -> Tensor:
    """The standard normal at the middles of 65,536 equal probabilities, of variance 1."""
    levels = torch.arange(LEVELS, dtype=torch.float64)
    values = torch.special.ndtri((levels + 0.5) / LEVELS)
    table: Tensor = values / values.square().mean().sqrt()
    return table.float().to(device)


def resolved(p: Tensor) -> Tensor:
    """The probability that a mask really has: p to 1 / 65,536, and below 1."""
    return ((p.double() * LEVELS).round().clamp(max=LEVELS - 1) / LEVELS).to(p.dtype)


def keep_threshold(p: Tensor, dimensions: int) -> Tensor:
    """The int16, as float32, from which an entry is kept; ``[K]`` widened to ``[K, 1, …]``.

    p = 0 keeps everything: no int16 lies below the lowest.
    """
    level = (p.double() * LEVELS).round().clamp(max=LEVELS - 1) - LEVELS // 2
    return level.float().view(-1, *[1] * (dimensions - 1))
