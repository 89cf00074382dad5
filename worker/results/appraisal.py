"""What can be said of a job's networks together, as it ends: the verdict first."""

from typing import Annotated, Literal

from pydantic import Field

from worker.schema import Stored

Part = Literal["test", "validation", "out_of_fold"]
"""Rows that networks are compared on: what no network was trained on. ``out_of_fold``: each row by
the network of the fold that it validates."""


class Appraisal(Stored):
    """What a job's networks come to together, on rows that none of them was trained on.

    It is made once, as the job ends.
    """

    verdict: Annotated[str, Field(examples=["dropout beats none by 0.024 ± 0.007 in test_loss."])]
    """What regularization bought, and how sure that is, in one sentence."""
    part: Annotated[Part, Field(examples=["test"])]
    """The rows that it rests on: `test` where there are any, else those of all folds, each by the
    network that was not trained on it, or the validation rows."""
    rows: Annotated[int, Field(examples=[200])]
    """How many they are."""
