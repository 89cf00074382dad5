"""Every technique with three settings, and the small fleets that it is tried on.

Between them the three settings say something of every field that the technique has. Where none are
written here they are read off its fields, so that a new technique is tried without a line.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from tests.fleets import fleets
from worker.data import Outline, Table, prepare
from worker.data.table import categorical, images
from worker.regularization import Technique, techniques
from worker.regularization.card import FieldCard, catalogue
from worker.regularization.technique import DataFacts, NetworkFacts
from worker.search import plan
from worker.spec import CnnSpec, JobSpec, MlpSpec, ResidualMlpSpec
from worker.training import FleetRun

RANDOM = [
    name
    for name, technique in techniques().items()
    if technique.family in {"dropout", "noise", "augmentation", "output_penalty"}
]
"""Techniques that draw."""

Stage = Callable[..., list[FleetRun]]
"""Regularizations, one a configuration → their fleets, not yet trained."""

SGD: dict[str, Any] = {"kind": "sgd", "learning_rate": 0.1}
"""Not Adam: a bias before batch normalization has no gradient but its rounding, of which Adam
would make steps."""
TRAINING: dict[str, Any] = {"epochs": 5, "batch_size": 32, "optimizer": SGD}
DIGITS = 192
LINEAR = {"kind": "linear", "start": 0.5}
COSINE = {"kind": "cosine", "start": 1.0, "end": 0.25}
CONSTANT = {"kind": "constant", "end": 0.5}


def _compared(regularizations: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    return [{"name": str(n), "regularization": r} for n, r in enumerate(regularizations)]


def table(*regularizations: dict[str, Any]) -> list[FleetRun]:
    """Three kinds of wine, of unequal numbers; thirteen columns, two hidden layers."""
    return fleets(
        dataset={"builtin": "wine"},
        network={"kind": "mlp", "hidden": [8, 6]},
        training=TRAINING,
        compare=_compared(regularizations),
    )


def residual(*regularizations: dict[str, Any]) -> list[FleetRun]:
    """The same rows; two residual blocks with layer normalization, which shaking needs."""
    return fleets(
        dataset={"builtin": "wine"},
        network={"kind": "residual_mlp", "width": 8, "blocks": 2},
        training=TRAINING,
        compare=_compared(tuple({"layer_norm": {}, **r} for r in regularizations)),
    )


def digits(*regularizations: dict[str, Any]) -> list[FleetRun]:
    """Digits as images of 8×8, each in a color of its own; a small convolutional network."""
    rows = _colored_digits()
    spec = JobSpec.model_validate(
        {
            "dataset": "ds_12345678",
            "target": "digit",
            "network": {"kind": "cnn", "channels": [4], "hidden": [8]},
            "training": TRAINING,
            "compare": _compared(regularizations),
        }
    )
    prepared = prepare(rows, spec)
    return [FleetRun(planned.trials, prepared) for planned in plan(spec, Outline.of(rows, spec))]


@cache
def _colored_digits() -> Table:
    pixels, labels = load_digits(return_X_y=True)
    gray = pixels[:DIGITS].reshape(-1, 1, 8, 8) * 15
    colored = gray * np.random.default_rng(0).uniform(0.5, 1, (DIGITS, 3, 1, 1))
    return Table.of(
        [
            images("pixels", colored.astype(np.uint8)),
            categorical("digit", [str(number) for number in range(10)], labels[:DIGITS]),
        ]
    )


FLAT: tuple[Stage, ...] = (table, residual)
EVERYWHERE: tuple[Stage, ...] = (*FLAT, digits)


@dataclass(frozen=True)
class Example:
    """Three settings of one technique, and where they can act."""

    settings: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
    stages: tuple[Stage, ...]


def example(*settings: dict[str, Any], on: tuple[Stage, ...] = (table, digits)) -> Example:
    """Three settings, no two of which are the same."""
    first, second, third = settings
    return Example((first, second, third), on)


def drawn_up(technique: type[Technique]) -> Example:
    """Three settings from a technique's own fields, on the stages that it says it fits.

    What is required has three values of its search range; of what is optional each field is set in
    the second or the third, to something that is not its default.
    """
    settings: tuple[dict[str, Any], ...] = ({}, {}, {})
    optional = 0
    for field in catalogue()[technique.key()].fields:
        if field.required:
            if field.search is None:
                raise ValueError(f"{technique.key()}.{field.name} has no range: write its example")
            low, high = field.search.low, field.search.high
            middle = (low * high) ** 0.5 if field.search.log else (low + high) / 2
            for one, value in zip(settings, (middle, high, (middle + high) / 2), strict=True):
                one[field.name] = value
        else:
            settings[1 + optional % 2][field.name] = another(field)
            optional += 1
    usual = technique.usual()
    stages = [stage for stage, facts in FACTS.items() if usual.fits(*facts) is None]
    return example(*settings, on=tuple(stages[:2]))


def another(field: FieldCard) -> Any:
    """A value of a field that is not its default."""
    if field.name == "schedule":
        return LINEAR
    if field.name == "layers":
        return [0]
    if field.choices is not None:
        return next(choice for choice in field.choices if choice != field.default)
    if isinstance(field.default, bool):
        return not field.default
    if field.search is not None and field.search.high != field.default:
        return field.search.high
    if isinstance(field.default, int):
        return field.default + 1
    if isinstance(field.default, float):
        return field.default / 2
    raise ValueError(f"{field.name} is of no known kind: write its example")


CLASSES = ("class_0", "class_1", "class_2")
FACTS: dict[Stage, tuple[NetworkFacts, DataFacts]] = {
    table: (MlpSpec(hidden=(8, 6)), DataFacts((13,), CLASSES)),
    digits: (CnnSpec(kind="cnn", channels=(4,), hidden=(8,)), DataFacts((3, 8, 8), CLASSES)),
    residual: (ResidualMlpSpec(kind="residual_mlp", width=8), DataFacts((13,), CLASSES)),
}
"""What a technique is asked whether it fits a stage, in the order in which they are preferred."""

WRITTEN: dict[str, Example] = {
    "l1": example(
        {"strength": 1e-2},
        {"strength": 1e-2, "method": "proximal", "biases": True},
        {"strength": 3e-2, "layers": [0, 2], "schedule": LINEAR},
    ),
    "l2": example(
        {"strength": 1e-2},
        {"strength": 3e-2, "biases": True},
        {"strength": 3e-2, "layers": [1], "schedule": COSINE},
    ),
    "elastic_net": example(
        {"strength": 1e-2},
        {"strength": 1e-2, "method": "proximal", "l1_ratio": 0.9, "biases": True},
        {"strength": 3e-2, "layers": [0], "schedule": CONSTANT},
    ),
    "group_lasso": example(
        {"strength": 1e-2, "groups": "inputs"},
        {"strength": 1e-2, "groups": "units", "method": "proximal", "biases": True},
        {"strength": 3e-2, "layers": [1], "schedule": LINEAR},
    ),
    "weight_decay": example(
        {"strength": 1e-2},
        {"strength": 3e-2, "method": "coupled", "biases": True},
        {"strength": 1e-1, "layers": [0], "schedule": COSINE},
    ),
    "max_norm": example({"norm": 0.3}, {"norm": 0.5}, {"norm": 0.1, "layers": [1]}),
    "dropout": example(
        {"p": 0.2},
        {"p": [0.3, 0.1], "input_p": 0.1},
        {"shape": "funnel", "schedule": LINEAR},
        on=EVERYWHERE,
    ),
    "spatial_dropout": example(
        {},
        {"p": [0.5], "input_p": 0.1},
        {"p": 0.4, "shape": "triangle", "schedule": LINEAR},
        on=(digits,),
    ),
    "alpha_dropout": example(
        {},
        {"p": [0.2, 0.1], "input_p": 0.1},
        {"p": 0.3, "shape": "stairs", "schedule": COSINE},
        on=EVERYWHERE,
    ),
    "drop_connect": example(
        {"p": 0.1}, {"p": 0.3, "layers": [0, 1]}, {"schedule": LINEAR}, on=EVERYWHERE
    ),
    "stochastic_depth": example({"p": 0.1}, {"p": 0.9}, {"schedule": COSINE}, on=(residual,)),
    "shake_drop": example({"p": 0.1}, {"p": 0.3}, {"schedule": LINEAR}, on=(residual,)),
    "shake_shake": example(
        {}, {"forward": "even", "backward": "even"}, {"backward": "keep"}, on=(residual,)
    ),
    "batch_norm": example({}, {"momentum": 0.3}, {"epsilon": 0.1}, on=EVERYWHERE),
    "layer_norm": example({"epsilon": 1.0}, {"epsilon": 0.01}, {"epsilon": 0.1}, on=EVERYWHERE),
    "noise": example(
        {},
        {"input": 0.0, "weights": 0.05, "distribution": "uniform"},
        {"activations": 0.3, "schedule": COSINE},
        on=EVERYWHERE,
    ),
    "class_weights": example(
        {},
        {"weights": {"class_0": 2}},
        {"weights": {"class_0": 0.5, "class_2": 2}},
        on=FLAT,
    ),
    "label_smoothing": example({}, {"smoothing": 0.3}, {"smoothing": 0.01}),
    "random_crop": example({"padding": 1}, {"padding": 2}, {"padding": 3}, on=(digits,)),
    "flip": example({}, {"vertical": 1.0}, {"horizontal": 0.9}, on=(digits,)),
    "rotation": example({}, {"degrees": 45.0}, {"degrees": 5.0}, on=(digits,)),
    "color_jitter": example(
        {}, {"brightness": 0.05, "contrast": 0.9}, {"saturation": 0.8}, on=(digits,)
    ),
    "image_noise": example({}, {"deviation": 0.5}, {"p": 1.0}, on=(digits,)),
    "erasing": example(
        {}, {"p": 1.0, "fill": "zero"}, {"smallest": 0.2, "largest": 0.3}, on=(digits,)
    ),
    "cutout": example({}, {"p": 1.0}, {"share": 0.5}),
    "mixup": example({}, {"alpha": 1.0}, {"alpha": 10.0}),
    "cutmix": example({}, {"p": 1.0}, {"alpha": 5.0}),
    # The sign of a gradient near 0 is decided by rounding, which differs between fleets; among the
    # many pixels of images there is soon one.
    "adversarial": example({}, {"epsilon": 0.2}, {"epsilon": 0.01}, on=FLAT),
    "lookahead": example({}, {"steps": 2}, {"step_size": 0.8}),
    "ema": example({}, {"decay": 0.5}, {"warmup": False, "decay": 0.8}),
    "swa": example({}, {"start": 0.2}, {"start": 0.5}),
    "snapshot_ensemble": example({}, {"members": 2}, {"members": 4}),
    "early_stopping": example(
        {"min_delta": 10.0, "patience": 1},
        {"min_delta": 10.0, "patience": 2, "restore_best": False},
        {"min_delta": 10.0, "patience": 3, "metric": "train_accuracy", "restore_best": False},
    ),
}

EXAMPLES: dict[str, Example] = {
    name: WRITTEN[name] if name in WRITTEN else drawn_up(technique)
    for name, technique in techniques().items()
}
