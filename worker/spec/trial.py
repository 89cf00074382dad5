"""A trial: one configuration, trained once. What a fleet is made of."""

from typing import Annotated

from pydantic import Field

from worker.regularization import Regularization
from worker.schema import Settings
from worker.spec.network import NetworkSpec
from worker.spec.training import Training


class Without(Settings):
    """What a trial leaves out of a configuration, to see what it bought there."""

    technique: str
    """The technique's name."""
    configuration: Annotated[int, Field(ge=0)]
    """Number of the complete configuration."""


class Trial(Settings):
    """One configuration, complete, with its repeat and fold."""

    name: str
    """The configuration's name, shared by its repeats and folds."""
    configuration: Annotated[int, Field(ge=0)]
    """Number of the configuration within the job."""
    repeat: Annotated[int, Field(ge=0)] = 0
    """Which repeat: its seed is `training.seed`."""
    fold: Annotated[int, Field(ge=0)] | None = None
    """Which fold validates, that of repeat r of F folds being r · F + its number; none without
    cross-validation."""
    without: Without | None = None
    """Set in trials that leave a technique out; they do not compete."""
    refit: Annotated[int, Field(ge=0)] | None = None
    """Number of the configuration that this trial trains once more, on training and validation
    rows together; such trials do not compete."""
    network: NetworkSpec
    regularization: Regularization
    training: Training
