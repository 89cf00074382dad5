"""What is left of a trained network: zeros, dead units, unused columns, and how far it prunes."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from worker.results.curves import Curves
from worker.results.equivalents import Fitted
from worker.schema import Record, Stored

STATEMENT = "2,649 of 2,650 weights (99.96 %) are exactly zero."
POINT = 0.01
"""What pruning may cost: of balanced accuracy, or as a share of rmse."""
NAMED = 10
"""Most columns that a statement names."""


class LayerReport(Stored):
    """One layer with weights."""

    name: Annotated[str, Field(examples=["layers.0"])]
    """Its name in the model's file."""
    layer: Annotated[int, Field(examples=[0])]
    """Its number, from 0 at the input."""
    weights: Annotated[int, Field(examples=[100])]
    """Entries of its weight matrix; biases are not counted."""
    zeros: Annotated[int, Field(examples=[96])]
    """Those that are exactly zero."""
    norm: Annotated[float, Field(examples=[4.93])]
    """Euclidean norm of its weights."""
    largest: Annotated[float, Field(examples=[1.21])]
    """Largest magnitude among them."""
    units: Annotated[int | None, Field(examples=[50])] = None
    """Its units, or maps of a convolution. None for the output, and for residual networks."""
    dead: Annotated[int | None, Field(examples=[48])] = None
    """Units that no input reaches, or that reach no score: the answer would be the same without."""
    no_way_in: Annotated[int | None, Field(examples=[48])] = None
    """Units that no chain of weights other than zero joins to an input."""
    no_way_out: Annotated[int | None, Field(examples=[40])] = None
    """Units that no such chain joins to a score."""


class FeatureReport(Stored):
    """Which columns the answer depends on. Lists have at most 100 names, counts are complete."""

    columns: Annotated[int, Field(examples=[30])]
    """Columns that the network was given."""
    columns_unused: Annotated[int, Field(examples=[12])]
    """Those without a way in: every weight from them is zero or leads nowhere."""
    used: Annotated[list[str], Field(examples=[["mean radius", "mean texture"]])]
    """Names of the columns with a way in."""
    unused: Annotated[list[str], Field(examples=[["smoothness error"]])]
    """Names of the columns without one; of a categorical column all inputs are out."""
    inputs: Annotated[int, Field(examples=[30])]
    """Inputs of the network: one for a numeric column, one for each category."""
    inputs_unused: Annotated[int, Field(examples=[12])]
    """Inputs without a way in."""
    unused_inputs: Annotated[list[str], Field(examples=[["job=skilled"]])]
    """Single categories without a way in, of columns that have one."""


class Prunable(Record):
    """How far a network can be pruned before its answers change for the worse."""

    threshold: Annotated[float, Field(examples=[0.03])]
    """The largest threshold of the curve up to which balanced accuracy falls by at most .01, or
    rmse grows by at most 1 %."""
    sparsity: Annotated[float, Field(examples=[0.18])]
    """Share of the weights that are 0 at that threshold."""


class PruningCurve(Stored):
    """How the model answers with its small weights set to 0: one entry a threshold each."""

    part: Annotated[Literal["validation", "train"], Field(examples=["validation"])]
    """The rows that it is measured on."""
    rows: Annotated[int, Field(examples=[200])]
    """How many: at most 2,000, evenly spaced."""
    thresholds: Annotated[list[float], Field(examples=[[0.0, 0.01, 0.1]])]
    """Weights of smaller magnitude are set to 0; biases stay."""
    sparsity: Annotated[list[float], Field(examples=[[0.0, 0.06, 0.6]])]
    """Share of the weights that are then 0."""
    loss: Annotated[list[float], Field(examples=[[0.051, 0.051, 0.071]])]
    """Data loss."""
    accuracy: Annotated[list[float] | None, Field(examples=[[0.98, 0.98, 0.965]])] = None
    """Classification: share of right answers."""
    balanced_accuracy: Annotated[list[float] | None, Field(examples=[[0.95, 0.95, 0.87]])] = None
    """Classification: mean recall over the classes."""
    recall: Annotated[list[float | None] | None, Field(examples=[[0.92, 0.92, 0.75]])] = None
    """Classification: recall of the positive class; of more than two, the mean over classes."""
    rmse: Annotated[list[float] | None, Field(examples=[None])] = None
    """Regression: root of the mean squared error, in the target's own unit."""
    r2: Annotated[list[float | None] | None, Field(examples=[None])] = None
    """Regression: share of the variance explained; null where all targets are equal."""

    @property
    def prunable(self) -> Prunable:
        """The largest threshold that costs no more than ``POINT``."""
        if self.rmse:
            worse = [value > self.rmse[0] * (1 + POINT) for value in self.rmse]
        else:
            accuracy = self.balanced_accuracy or []
            # Curves are kept with six digits: a loss of exactly a point must not depend on the
            # last.
            worse = [value < accuracy[0] - POINT - 1e-6 for value in accuracy]
        last = (worse.index(True) if True in worse else len(worse)) - 1
        return Prunable(threshold=self.thresholds[last], sparsity=self.sparsity[last])

    @property
    def statement(self) -> str:
        """How far it can be pruned, by which metric and on which rows."""
        prunable = self.prunable
        last = self.thresholds.index(prunable.threshold)
        if self.rmse:
            before, after = self.rmse[0], self.rmse[last]
            cost = f"its RMSE on the {self.part} rows grows by no more than {100 * POINT:g} %"
        else:
            values = self.balanced_accuracy or [math.nan] * len(self.thresholds)
            before, after = values[0], values[last]
            cost = f"its balanced accuracy on the {self.part} rows falls by no more than {POINT:g}"
        return (
            f"With weights below {prunable.threshold:g} set to 0, which makes "
            f"{100 * prunable.sparsity:.4g} % of them zero, {cost}: {before:.4g} before, "
            f"{after:.4g} after."
        )


class SparsitySummary(Record):
    """What is left of a trained network, in short."""

    statement: Annotated[str, Field(examples=[STATEMENT])]
    """The findings, in words."""
    sparsity: Annotated[float, Field(examples=[0.9996])]
    """Share of the weights that are exactly zero; biases are not counted."""
    dead_units: Annotated[int | None, Field(examples=[100])]
    """Hidden units that could be removed; none for residual networks."""
    columns_unused: Annotated[int | None, Field(examples=[2])]
    """Columns that the answer does not depend on; none for feature maps of images."""
    prunable: Prunable | None
    """How far it can be pruned; none for trials without a curve."""


class SparsityReport(SparsitySummary):
    """What is left of a trained network. Of a snapshot ensemble a weight counts as zero where it
    is zero in all members.
    """

    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial whose network it is."""
    weights: Annotated[int, Field(examples=[2650])]
    """Weights of all layers."""
    zeros: Annotated[int, Field(examples=[2649])]
    """Those that are exactly zero."""
    units: Annotated[int | None, Field(examples=[100])]
    """Hidden units; none for residual networks."""
    layers: list[LayerReport]
    """Layer by layer, from the input on."""
    features: FeatureReport | None
    """Column by column; none for feature maps of images."""
    pruning: PruningCurve | None
    """Metrics against pruning threshold. It is measured for the best 64 trials of a fleet, by
    their loss (fewer where networks are large); none for the others."""


class NetworkReport(Stored):
    """What is left of a trained network, as it is measured and stored."""

    weights: int
    """Weights of all layers; biases are not counted."""
    zeros: int
    """Those that are exactly zero."""
    sparsity: float
    """Their share."""
    units: int | None
    """Hidden units; none for residual networks."""
    dead_units: int | None
    """Those that could be removed; none for residual networks."""
    layers: list[LayerReport]
    """Layer by layer, from the input on."""
    features: FeatureReport | None
    """Column by column; none for feature maps of images."""
    pruning: PruningCurve | None
    """Metrics against pruning threshold; none for trials that were not measured."""
    curves: Curves | None = None
    """How a classifier answers the rows that are held out; none for trials that were not
    measured."""
    fitted: Fitted | None = None
    """What it was fitted to; none of trials of earlier releases."""

    def summary(
        self, subgradient: Sequence[str] = (), *, constant: bool = False
    ) -> SparsitySummary:
        """The short form.

        Args:
            subgradient: the penalties trained by their subgradient.
            constant: whether it answers one class alone, so that nothing is lost by pruning it.
        """
        return SparsitySummary(
            statement=self.statement(subgradient, constant=constant),
            sparsity=self.sparsity,
            dead_units=self.dead_units,
            columns_unused=None if self.features is None else self.features.columns_unused,
            prunable=None if self.pruning is None else self.pruning.prunable,
        )

    def full(
        self, trial: str, subgradient: Sequence[str] = (), *, constant: bool = False
    ) -> SparsityReport:
        """All of it, and whose it is."""
        return SparsityReport(
            **dict(self.summary(subgradient, constant=constant)),
            trial=trial,
            weights=self.weights,
            zeros=self.zeros,
            units=self.units,
            layers=self.layers,
            features=self.features,
            pruning=self.pruning,
        )

    def statement(self, subgradient: Sequence[str] = (), *, constant: bool = False) -> str:
        """The findings, in words."""
        sentences = [
            f"{self.zeros:,} of {self.weights:,} weights "
            f"({100 * self.zeros / self.weights:.4g} %) are exactly zero."
            if self.zeros
            else f"None of {self.weights:,} weights is exactly zero."
        ]
        sentences += [
            f"{name} with method subgradient drives weights towards zero, but sets none to it; "
            "method proximal does."
            for name in subgradient
        ]
        if self.dead_units:
            sentences.append(f"{self.dead_units:,} of {self.units:,} units are dead.")
        if self.features is not None:
            sentences += _of_features(self.features)
        blind = self.features is not None and self.features.columns_unused == self.features.columns
        if self.pruning is not None and not constant and not blind:
            prunable = self.pruning.prunable
            if prunable.threshold > 0 and prunable.sparsity > self.sparsity:
                sentences.append(self.pruning.statement)
        return " ".join(sentences)


def _of_features(features: FeatureReport) -> list[str]:
    unused, columns = features.columns_unused, features.columns
    if unused == columns:
        return ["It depends on no column: the answer is the same for every row."]
    if not unused:
        return []
    names = ", ".join(features.unused[:NAMED]) + (", …" if unused > NAMED else "")
    return [f"It does not depend on {unused:,} of {columns:,} columns: {names}."]
