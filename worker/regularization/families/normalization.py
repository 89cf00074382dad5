"""Normalizations: layers that fix the scale of activations."""

from typing import ClassVar

from worker.regularization.technique import Technique


class Normalization(Technique):
    """A layer between a dense layer and its activation; dropout comes after both.

    Its module carries per trial whether it is on, and passes other trials' activations unchanged.
    """

    family: ClassVar[str] = "normalization"
