"""The configurations of a job that are looked at as it ends, with the networks they trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worker.data import Prepared
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
    wander: Mapping[str, float] = field(default_factory=dict)
    """By metric, as ``loss``: how far it went from epoch to epoch at the end of training, as the
    standard deviation from a straight line over the last epochs, on validation rows."""
    id: str = ""
    """The trial's."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A configuration, with those of its repeats and folds that succeeded, in their order."""

    configuration: int
    name: str
    trials: Sequence[TrainedTrial]

    @property
    def is_plain(self) -> bool:
        """Whether it is without any technique."""
        return not any(True for _ in self.trials[0].trial.regularization.techniques())


@dataclass(frozen=True, eq=False)
class Beside:
    """What else is known of a job, beside the configurations that compete."""

    competing: int = 1
    """How many configurations the winner was chosen from."""
    searched: bool = False
    """Whether they were those of a search."""
    let_go: int = 0
    """How many of them halving let go before their end."""
    ordered_by: str | None = None
    """The column in whose order the rows were divided, if they were."""
    twin: int | None = None
    """The number of the configuration without any regularization, if there is one."""
    left_out: Sequence[Contender] = ()
    """The winner, with a technique left out of each."""
    refits: Sequence[Contender] = ()
    """The winner trained once more, and what was beside it; by the numbers of what they train."""
    refit_data: Prepared | None = None
    """The data as the refits saw them."""
    boosted: Sequence[NDArray[np.float32]] | None = None
    """Gradient boosting's scores ``[n, O]`` of the rows that each split holds out: of the refits'
    test rows, or of the validation rows of each fold."""


def wanted(groups: Sequence[Group]) -> list[int]:
    """The numbers of the configurations whose networks are asked for, best first.

    Those that halving let go have been trained for fewer epochs: how they differ from what was
    trained to the end says nothing of their settings.
    """
    ranked = sorted(group.rank for group in groups if group.rank.wins)
    whole = [rank for rank in ranked if not rank.halved]
    return [rank.configuration for rank in (whole or ranked)[:MOST]]
