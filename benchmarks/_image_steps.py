"""Milliseconds of processor time that a training step on images takes, and an evaluation.

A plain loop of PyTorch and the engine do the same: convolutions of 3×3 with ReLU and max pooling,
a dense layer, Adam, cross-entropy. The plain loop is a ``nn.Sequential``, its images at hand in
batches, with and without ``channels_last``; its own evaluation takes a batch of images at a time.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fleet import engine as fleet_steps
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from worker.data import Outline, Prepared, Table, prepare
from worker.data.table import categorical, images
from worker.search import plan
from worker.spec import JobSpec, Trial
from worker.training import FleetRun

CLASSES = 10
FLEETS = (1, 4, 8)


@dataclass(frozen=True)
class Problem:
    """Images, a network, and what regularizes it."""

    name: str
    pixels: NDArray[np.uint8]
    """``[N, C, H, W]``."""
    labels: NDArray[np.int32]
    channels: tuple[int, ...]
    hidden: int
    batch: int
    norm: bool = False
    """Whether batch normalization stands before each activation."""

    def module(self) -> nn.Sequential:
        """One network, as textbooks write it."""
        layers: list[nn.Module] = []
        inputs, side = self.pixels.shape[1], self.pixels.shape[2]
        for outputs in self.channels:
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
            layers += [nn.BatchNorm2d(outputs)] if self.norm else []
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
            inputs, side = outputs, side // 2
        layers += [nn.Flatten(), nn.Linear(inputs * side * side, self.hidden)]
        layers += [nn.BatchNorm1d(self.hidden)] if self.norm else []
        return nn.Sequential(*layers, nn.ReLU(), nn.Linear(self.hidden, CLASSES))

    def members(self, trials: int) -> tuple[list[Trial], Prepared]:
        """Trials of one seed, and their data."""
        spec = JobSpec.model_validate(
            {
                "dataset": "ds_benchmark0",
                "target": "y",
                "split": {"validation": 0.0},
                "network": {"kind": "cnn", "channels": self.channels, "hidden": [self.hidden]},
                "regularization": {"batch_norm": {}} if self.norm else {},
                "training": {"epochs": 1, "batch_size": self.batch},
            }
        )
        names = [str(number) for number in range(CLASSES)]
        table = Table.of([images("pixels", self.pixels), categorical("y", names, self.labels)])
        ((trial,),) = (fleet.trials for fleet in plan(spec, Outline.of(table, spec)))
        members = [trial.model_copy(update={"configuration": n}) for n in range(trials)]
        return members, prepare(table, spec)


def problems() -> list[Problem]:
    """Real digits of 8×8, and noise of the sizes of MNIST and CIFAR: time does not mind."""
    pixels, labels = load_digits(return_X_y=True)
    digits = (pixels[:1024] * 15).astype(np.uint8).reshape(-1, 1, 8, 8)
    draw = np.random.default_rng(0)

    def noise(*shape: int) -> dict[str, Any]:
        return {
            "pixels": draw.integers(0, 256, shape, dtype=np.uint8),
            "labels": draw.integers(0, CLASSES, shape[0]).astype(np.int32),
        }

    grey, colored = noise(256, 1, 28, 28), noise(256, 3, 32, 32)
    return [
        Problem("digits 8×8, 16-32; 64, batch 32", digits, labels[:1024].astype(np.int32),
                (16, 32), 64, 32),
        Problem("grey 28×28, 32-64; 128, batch 64", **grey, channels=(32, 64), hidden=128,
                batch=64),
        Problem("the same with batch_norm", **grey, channels=(32, 64), hidden=128, batch=64,
                norm=True),
        Problem("colored 32×32, 16-32; 64, batch 64", **colored, channels=(16, 32), hidden=64,
                batch=64),
    ]  # fmt: skip


@dataclass(frozen=True)
class Contender:
    """Endless steps, and an evaluation of all images."""

    trials: int
    steps: Iterator[object]
    evaluate: Callable[[], object]


def plain(problem: Problem, layout: torch.memory_format) -> Contender:
    """The loop that everyone writes."""
    model = problem.module().to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    x = torch.from_numpy(problem.pixels.astype(np.float32) / 255).contiguous(memory_format=layout)
    y = torch.from_numpy(problem.labels.astype(np.int64))
    batches = list(zip(x.split(problem.batch), y.split(problem.batch), strict=True))

    def steps() -> Iterator[None]:
        while True:
            for images_, labels in batches:
                optimizer.zero_grad()
                loss = functional.cross_entropy(model(images_), labels)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                yield

    @torch.no_grad()
    def evaluate() -> Tensor:
        model.eval()
        losses = [functional.cross_entropy(model(some), labels) for some, labels in batches]
        model.train()
        return torch.stack(losses).mean()

    return Contender(1, steps(), evaluate)


def engine(problem: Problem, trials: int) -> Contender:
    """A fleet of this engine."""
    run = FleetRun(*problem.members(trials))
    return Contender(trials, fleet_steps(run), run.engine.measure)


def milliseconds(work: Callable[[], object], least: float) -> float:
    """The mean of processor time over some repetitions, at least two and so many seconds."""
    count, start = 0, time.process_time()
    while (passed := time.process_time() - start) < least or count < 2:
        work()
        count += 1
    return passed / count * 1e3


@dataclass(frozen=True)
class Found:
    """Medians over the rounds, of one trial."""

    step: float
    """Milliseconds a step."""
    evaluation: float
    """Milliseconds for 1,000 images."""


def measure(problem: Problem, rounds: int, least: float = 0.1) -> dict[str, Found]:
    """Contender → what it took. The contenders take turns, round by round."""
    contenders = {
        "plain": plain(problem, torch.contiguous_format),
        "plain, channels last": plain(problem, torch.channels_last),
    } | {f"engine K={trials}": engine(problem, trials) for trials in FLEETS}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    thousands = len(problem.labels) / 1000
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            step = milliseconds(lambda steps=contender.steps: next(steps), least)  # type: ignore[misc]
            evaluation = milliseconds(contender.evaluate, least)
            if number:  # the first round warms up
                trials = contender.trials
                times[name].append((step / trials, evaluation / trials / thousands))
    return {
        name: Found(*(statistics.median(values) for values in zip(*rows, strict=True)))
        for name, rows in times.items()
    }


def report(problem: Problem, found: dict[str, Found]) -> None:
    """Print one problem's table."""
    base, alone = found["plain, channels last"], found["engine K=1"]
    print(f"\n{problem.name}")
    print(f"{'':<22}{'ms a step':>11}{'plain /':>9}{'K=1 /':>8}{'ms for 1,000':>14}{'plain /':>9}")
    for name, one in found.items():
        print(
            f"{name:<22}{one.step:>11.3f}{base.step / one.step:>9.2f}{alone.step / one.step:>8.2f}"
            f"{one.evaluation:>14.2f}{base.evaluation / one.evaluation:>9.2f}"
        )
