"""Training batches for tests, and single techniques at work on them."""

from typing import Any

import torch
from torch import Generator

from tests.streams import stream
from worker.regularization import PerTrial, techniques
from worker.regularization.batch import Batch, Classes
from worker.regularization.families.batch import BatchTechnique

TABLE, SERIES, IMAGE = (6,), (2, 10), (3, 8, 6)
"""Shapes of one sample: features, channels of a series, channels of an image."""


def batch(
    shape: tuple[int, ...] = TABLE, *, trials: int = 4, rows: int = 16, classes: int = 3
) -> Batch:
    """Random rows, the same for all trials, as a fleet of one seed gets them; a view of one copy.

    ``classes`` 2 is a binary target, 0 a regression.
    """
    generator = Generator().manual_seed(7)
    x = torch.randn(1, rows, *shape, generator=generator).expand(trials, *[-1] * (len(shape) + 1))
    if classes:
        y = torch.randint(classes, (1, rows), generator=generator)
        y = y.float() if classes == 2 else y
    else:
        y = torch.randn(1, rows, generator=generator)
    return Batch(x, y.expand(trials, -1), classes)


def counted(rows: Batch) -> Classes:
    """The classes of a batch, as if it were all training rows."""
    names = tuple("abcdefgh"[: rows.classes])
    counts = (rows.y[..., None] == torch.arange(rows.classes)).sum(1)
    return Classes(names, counts)


def altered(rows: Batch, name: str, *settings: dict[str, Any] | None, seed: int = 0) -> Batch:
    """What a technique makes of a batch, given its settings in each trial."""
    technique = techniques()[name]
    if not issubclass(technique, BatchTechnique):
        raise TypeError(f"{name} does not act on batches")
    members = tuple(None if s is None else technique.model_validate(s) for s in settings)
    numbers = technique.numbers(PerTrial(members), counted(rows))
    return technique.alter(rows, numbers, stream(len(members), seed))
