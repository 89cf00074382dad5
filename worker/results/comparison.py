"""A comparison of configurations: their metrics, and what each technique bought."""

from typing import Annotated, Literal

from pydantic import Field

from worker.results.sparsity import SparsityReport
from worker.schema import Record

Verdict = Literal["helps", "hurts", "unclear", "untested"]


class Spread(Record):
    """A metric over the repeats and folds of one configuration."""

    mean: Annotated[float, Field(examples=[0.061])]
    """Arithmetic mean."""
    sd: Annotated[float | None, Field(examples=[0.004])]
    """Standard deviation, n − 1 in the denominator; none for a single value."""
    n: Annotated[int, Field(examples=[5])]
    """Number of values."""


class ConfigurationReport(Record):
    """One configuration of a comparison."""

    configuration: Annotated[int, Field(examples=[3])]
    """Its number within the job."""
    name: Annotated[str, Field(examples=["dropout"])]
    """Its name."""
    trials: Annotated[int, Field(examples=[5])]
    """Its repeats and folds."""
    succeeded: Annotated[int, Field(examples=[5])]
    """Those of them that succeeded; the metrics are over these."""
    failed: Annotated[int, Field(examples=[0])]
    """Those of them that failed."""
    metrics: Annotated[
        dict[str, Spread], Field(examples=[{"validation_loss": {"mean": 0.06, "sd": 0.01, "n": 5}}])
    ]
    """Mean and standard deviation of each final metric."""
    without: Annotated[str | None, Field(examples=[None])] = None
    """The technique that it leaves out, in an attribution; such a configuration cannot win."""
    network: SparsityReport | None = None
    """What is left of the network of its best trial: zeros, dead units, unused columns."""


class Effect(Record):
    """One metric with a technique and without it, paired over repeats and folds."""

    metric: Annotated[str, Field(examples=["validation_loss"])]
    """The metric."""
    maximize: Annotated[bool, Field(examples=[False])]
    """Whether more of it is better."""
    mean_with: Annotated[float, Field(examples=[0.061])]
    """Its mean with the technique."""
    mean_without: Annotated[float, Field(examples=[0.085])]
    """Its mean without."""
    difference: Annotated[float, Field(examples=[-0.024])]
    """With minus without, the mean over the pairs."""
    interval: Annotated[tuple[float, float] | None, Field(examples=[[-0.031, -0.017]])]
    """95 % interval of that mean, by Student's t; none for a single pair."""
    pairs: Annotated[int, Field(examples=[5])]
    """Repeats and folds that succeeded both with it and without."""
    verdict: Annotated[Verdict, Field(examples=["helps"])]
    """`helps` or `hurts` where the interval lies on one side of 0, `unclear` where it holds 0,
    `untested` where there is none."""


class Attribution(Record):
    """What one technique bought a configuration: the same training without it."""

    configuration: Annotated[int, Field(examples=[0])]
    """Number of the complete configuration."""
    name: Annotated[str, Field(examples=["base"])]
    """Its name."""
    technique: Annotated[str, Field(examples=["dropout"])]
    """The technique that was left out."""
    without: Annotated[int, Field(examples=[3])]
    """Number of the configuration without it."""
    effects: list[Effect]
    """The objective, and the main metrics of the test rows, or the validation rows without any.
    Empty while trials are running, or where none succeeded."""
    note: Annotated[str | None, Field(examples=[None])]
    """What the intervals do not say."""
