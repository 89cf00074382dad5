"""Every technique by its name, read off the fields of ``Regularization``."""

from typing import get_args

from worker.regularization.card import Card, describe
from worker.regularization.regularization import Regularization
from worker.regularization.technique import Technique


def techniques() -> dict[str, type[Technique]]:
    """Name → class, in the order of the vocabulary."""
    found: dict[str, type[Technique]] = {}
    for name, field in Regularization.model_fields.items():
        classes = [c for c in get_args(field.annotation) if c is not type(None)]
        found[name] = classes[0]
    return found


def catalogue() -> dict[str, Card]:
    """Name → card, in the order of the vocabulary: all of it from the techniques' own classes."""
    classes = techniques()
    vocabulary = frozenset(classes)
    return {name: describe(name, technique, vocabulary) for name, technique in classes.items()}
