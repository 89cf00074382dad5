"""The configurations of a job that are looked at as it ends, with the networks they trained."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.models import ModelFile
from worker.results import Group, Metrics
from worker.spec import Trial

MOST = 32
"""Configurations that are looked at, the best."""


@dataclass(frozen=True, eq=False)
class TrainedTrial:
    """A trial that succeeded: its settings, what it came to, and its place in a model file."""

    trial: Trial
    metrics: Metrics
    file: ModelFile
    position: int


@dataclass(frozen=True, eq=False)
class Contender:
    """A configuration, with those of its repeats and folds that succeeded, in their order."""

    configuration: int
    name: str
    trials: Sequence[TrainedTrial]


def wanted(groups: Sequence[Group]) -> list[int]:
    """The numbers of the configurations whose networks are asked for, best first."""
    ranked = sorted(group.rank for group in groups if group.rank.wins)
    return [rank.configuration for rank in ranked[:MOST]]
