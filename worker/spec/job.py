"""What a user posts: one trial, or a comparison of several."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from worker.regularization import Regularization
from worker.regularization.settings import Settings
from worker.spec.dataset import DatasetRef
from worker.spec.network import MlpSpec, NetworkSpec
from worker.spec.preprocessing import Preprocessing
from worker.spec.split import Split
from worker.spec.training import Training

Name = Annotated[str, Field(min_length=1, max_length=120)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", examples=["credit"])]
TaskKind = Literal["binary", "multiclass", "regression"]
Task = Literal["auto", "binary", "multiclass", "regression"]


class Variant(Settings):
    """One member of a comparison: what it replaces in the job, section by section."""

    name: Name
    """Its label in tables and charts."""
    regularization: Regularization | None = None
    """Replaces the job's regularization."""
    network: NetworkSpec | None = None
    """Replaces the job's network."""
    training: Training | None = None
    """Replaces the job's training."""


class JobSpec(Settings):
    """A training job. Only `dataset` is required; `target` too unless the data set named one."""

    name: Annotated[str, Field(max_length=120)] = ""
    """A label for people."""
    dataset: DatasetRef
    """The id of an uploaded data set, or a built-in one."""
    target: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The column to predict; the data set's own target unless given."""
    task: Task = "auto"
    """`auto`: regression for a numeric target with many values, classification otherwise."""
    split: Split = Split()
    """Which rows train, validate and test."""
    preprocessing: Preprocessing = Preprocessing()
    """How columns become numbers."""
    network: NetworkSpec = MlpSpec()
    """What is trained."""
    regularization: Regularization = Regularization()
    """Which techniques hold it back, keyed by name."""
    training: Training = Training()
    """How it is trained."""
    compare: (
        Annotated[tuple[Variant, ...], Field(strict=False, min_length=1, max_length=1024)] | None
    ) = None
    """Configurations to train side by side, as one tensor program where structure allows."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    """Train each configuration this often, with seeds seed, seed + 1, …"""
    attribute: bool = False
    """Train each configuration also without each one of its techniques, to see what each bought.
    Only complete configurations compete for the model."""
    model: ModelName | None = None
    """Register the winner as a version of this model."""

    @model_validator(mode="after")
    def names_are_unique(self) -> Self:
        """Refuse a comparison whose members could not be told apart."""
        names = [variant.name for variant in self.compare or ()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"give each configuration its own name; twice: {', '.join(twice)}")
        return self
