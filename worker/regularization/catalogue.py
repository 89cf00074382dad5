"""Every technique by its name, read off the fields of ``Regularization``."""

from collections.abc import Iterable, Iterator
from typing import get_args

from worker.regularization.card import Card, card_of
from worker.regularization.fit import DataFacts, NetworkFacts
from worker.regularization.regularization import Regularization
from worker.regularization.technique import Technique


def techniques() -> dict[str, type[Technique]]:
    """Name → class, in the order of the vocabulary."""
    by_name: dict[str, type[Technique]] = {}
    for name, field in Regularization.model_fields.items():
        classes = [c for c in get_args(field.annotation) if c is not type(None)]
        by_name[name] = classes[0]
    return by_name


def fitting(names: Iterable[str], network: NetworkFacts, data: DataFacts) -> Iterator[str]:
    """Those of the techniques that are of use with a network and its data, as usually set."""
    classes = techniques()
    return (name for name in names if classes[name].usual().fits(network, data) is None)


def catalogue() -> dict[str, Card]:
    """Name → card, in the order of the vocabulary: all of it from the techniques' own classes."""
    classes = techniques()
    vocabulary = frozenset(classes)
    return {name: card_of(name, technique, vocabulary) for name, technique in classes.items()}
