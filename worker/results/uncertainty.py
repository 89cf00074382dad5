"""How sure a served model is, and whether it is as right as that: measured as its job ends."""

from typing import Annotated, Literal

from pydantic import Field

from worker.schema import Stored

Part = Literal["test", "validation", "out_of_fold"]
"""Rows that networks are compared on: what no network was trained on. ``out_of_fold``: each row by
the network of the fold that it validates."""


class Scaling(Stored):
    """Temperature scaling: probabilities of logits that are divided by one number."""

    temperature: Annotated[float, Field(examples=[1.31])]
    """What logits are divided by with `calibrated: true`; above 1 where the network is surer than
    it is right. 1 where no other one has a lesser log loss on rows that did not fit it."""
    log_loss_before: Annotated[float, Field(examples=[0.412])]
    """The mean of −log p(true class) as the network answers, in nats."""
    log_loss_after: Annotated[float, Field(examples=[0.389])]
    """The same after scaling."""
    ece_before: Annotated[float, Field(examples=[0.071])]
    """The expected calibration error as the network answers, over 15 bins."""
    ece_after: Annotated[float, Field(examples=[0.032])]
    """The same after scaling."""


class CoverageReport(Stored):
    """How often the truth lay in the intervals or sets of one level."""

    level: Annotated[float, Field(examples=[0.9])]
    """The `coverage` that was asked for."""
    covered: Annotated[float, Field(examples=[0.91])]
    """In how much of the rows the truth lay in the interval or set."""
    low: Annotated[float, Field(examples=[0.86])]
    """The lower end of its 95 % interval, by the binomial distribution of that many rows."""
    high: Annotated[float, Field(examples=[0.95])]
    """The upper end."""
    size: Annotated[float, Field(examples=[1.2])]
    """Of classes how many are in a set on the mean; else how wide an interval is on the mean, in
    the target's own unit."""


class UncertaintyReport(Stored):
    """What the served model keeps for `calibrated` and `coverage`, and how good that is."""

    trial: Annotated[str | None, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial that is served; null of an ensemble."""
    fitted: Annotated[Part, Field(examples=["validation"])]
    """The rows that temperature and intervals were fitted on; test rows never."""
    fitted_rows: Annotated[int, Field(examples=[200])]
    """How many they are."""
    measured: Annotated[Part, Field(examples=["test"])]
    """The rows that all else here was measured on: `test` where there are any; else those that
    fitted, each fifth by what the other four fitted."""
    measured_rows: Annotated[int, Field(examples=[200])]
    """How many they are."""
    scaling: Scaling | None = None
    """Of classes: temperature scaling; null of a regression."""
    coverage: Annotated[list[CoverageReport], Field(default_factory=list)]
    """By level, of those that the rows can give."""
    notes: Annotated[list[str], Field(default_factory=list)]
    """What this does not promise."""
