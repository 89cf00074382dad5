"""Random numbers that do not depend on the fleet: every trial draws what it would draw alone.

A fleet draws for all its trials at once, so that a trial's random numbers are others in a fleet of
another size. Frozen, they follow from the step, the shape, and how many of that shape were drawn
in that step already; they are the same for all trials. What is left to differ between a trial in a
fleet and the same trial alone is the mathematics.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from worker.regularization.random_bits import bernoulli_keep
from worker.training import FleetRun


def freeze(run: FleetRun, patch: pytest.MonkeyPatch) -> None:
    """Freeze what a run draws from its fleet's generator, until the patch is undone."""
    drawn: Counter[tuple[object, ...]] = Counter()

    def alone(kind: str, shape: Sequence[int]) -> tuple[list[int], int]:
        """The shape for one trial, and a seed."""
        one, trials = list(shape), len(run.program.trials)
        one[one.index(trials)] = 1
        return one, seed(kind, one)

    def seed(kind: str, shape: Sequence[int]) -> int:
        key = (kind, *shape, run.steps)
        drawn[key] += 1
        return hash((len(kind), *shape, run.steps, drawn[key])) % 2**32

    def seeded(number: int) -> Generator:
        return Generator().manual_seed(number)

    def ours(generator: Generator | None) -> bool:
        return generator is run.program.generator

    def filled(name: str, real: Any) -> Any:
        def draw(self: Tensor, *bounds: float, generator: Generator | None = None) -> Any:
            if not ours(generator):
                return real(self, *bounds, generator=generator)
            one, number = alone(name, self.shape)
            return self.copy_(real(self.new_empty(one), *bounds, generator=seeded(number)))

        return draw

    def rand(*shape: Any, generator: Generator | None = None, **options: Any) -> Tensor:
        if not ours(generator):
            return real_rand(*shape, generator=generator, **options)
        one, number = alone("rand", shape[0])
        return real_rand(one, generator=seeded(number)).expand(*shape[0]).clone()

    def randperm(count: int, generator: Generator | None = None, **options: Any) -> Tensor:
        """One for all trials: there is no axis of them."""
        if ours(generator):
            generator = seeded(seed("randperm", [count]))
        return real_randperm(count, generator=generator, **options)

    def gamma(concentration: Tensor, generator: Generator) -> Tensor:
        one, number = alone("gamma", concentration.shape)
        axis = one.index(1)
        trials = torch.split(concentration, 1, axis)
        return torch.cat([real_gamma(trial, seeded(number)) for trial in trials], axis)

    def keep(shape: Sequence[int], threshold: Tensor, generator: Generator) -> Tensor:
        one, number = alone("keep", shape)
        trials = torch.split(threshold, 1)
        return torch.cat([bernoulli_keep(tuple(one), trial, seeded(number)) for trial in trials])

    real_rand, real_gamma, real_randperm = torch.rand, torch._standard_gamma, torch.randperm
    for name in ("uniform_", "normal_"):
        patch.setattr(Tensor, name, filled(name, getattr(Tensor, name)))
    patch.setattr(torch, "rand", rand)
    patch.setattr(torch, "_standard_gamma", gamma)
    patch.setattr(torch, "randperm", randperm)
    for module in list(sys.modules.values()):
        holds = getattr(module, "bernoulli_keep", None) is bernoulli_keep
        if holds and module.__name__ != __name__:
            patch.setattr(module, "bernoulli_keep", keep)
