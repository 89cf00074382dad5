"""How a classifier answers some rows: confusion, ROC, precision and recall, calibration.

Bounded whatever the data: at most 100 points a curve, 100 classes a matrix.
"""

from typing import Annotated

from pydantic import Field

from worker.schema import Stored


class RocCurve(Stored):
    """Share of the positive that are found against share of the negative that are taken for them,
    from the highest threshold to the lowest.
    """

    fpr: Annotated[list[float], Field(examples=[[0.0, 0.1, 1.0]])]
    """False positive rate, FP / (FP + TN)."""
    tpr: Annotated[list[float], Field(examples=[[0.0, 0.8, 1.0]])]
    """True positive rate, TP / (TP + FN)."""
    threshold: Annotated[list[float | None], Field(examples=[[None, 0.61, 0.02]])]
    """The probability from which a row is answered as positive; null at the start, where none
    is."""


class PrecisionRecallCurve(Stored):
    """Precision against recall, from the highest threshold to the lowest."""

    recall: Annotated[list[float], Field(examples=[[0.4, 0.8, 1.0]])]
    """TP / (TP + FN)."""
    precision: Annotated[list[float], Field(examples=[[1.0, 0.9, 0.5]])]
    """TP / (TP + FP)."""
    threshold: Annotated[list[float], Field(examples=[[0.93, 0.61, 0.02]])]
    """The probability from which a row is answered as positive."""


class Calibration(Stored):
    """How often it happens what the probabilities say: one entry a bin of equal width that has
    rows, of 15 bins.
    """

    probability: Annotated[list[float], Field(examples=[[0.03, 0.97]])]
    """Mean probability: of the positive class, or, of more than two classes, of the answer."""
    frequency: Annotated[list[float], Field(examples=[[0.05, 0.96]])]
    """How many of these rows are positive, or answered rightly."""
    rows: Annotated[list[int], Field(examples=[[96, 104]])]
    """How many rows."""


class PartCurves(Stored):
    """The curves of some rows; those of two classes alone are null of more."""

    rows: Annotated[int, Field(examples=[200])]
    """How many rows."""
    confusion: Annotated[list[list[int]] | None, Field(examples=[[[96, 4], [7, 93]]])]
    """How often each class (row) was answered as each (column), at the threshold; null for more
    than 100 classes."""
    roc: RocCurve | None
    """Of two classes that both occur."""
    pr: PrecisionRecallCurve | None
    """Of two classes, where rows are positive."""
    calibration: Calibration
    """Probabilities against frequencies."""


class Curves(Stored):
    """The curves of a trial, on the rows that are held out, or the training rows where none are."""

    classes: Annotated[list[str], Field(examples=[["bad", "good"]])]
    """The classes in the order of rows and columns of the matrix, cut at 100 letters; empty for
    more than 100 classes."""
    positive: Annotated[str | None, Field(examples=["good"])]
    """Of two classes, that which the curves are about."""
    threshold: Annotated[float | None, Field(examples=[0.5])]
    """Of two classes, the probability from which it is answered."""
    parts: dict[str, PartCurves]
    """`validation`, `test`, or `train` → its curves."""
