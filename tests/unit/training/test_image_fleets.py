"""Fleets on images: what augments them changes the training, and nothing else."""

from itertools import count
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

from tests.fleets import trained
from worker.data import Outline, Table, prepare
from worker.data.table import categorical, images
from worker.search import plan
from worker.spec import JobSpec
from worker.training import FleetRun
from worker.training.state import dump_state, load_state

EVERY: dict[str, Any] = {
    "random_crop": {"padding": 1},
    "flip": {"horizontal": 0.3, "vertical": 0.3},
    "rotation": {},
    "color_jitter": {},
    "image_noise": {},
    "erasing": {},
    "cutout": {},
    "mixup": {},
    "cutmix": {},
    "adversarial": {},
    "label_smoothing": {},
    "class_weights": {"weights": {"7": 3}},
}
SEED = 3


def digits(*regularizations: dict[str, Any], epochs: int = 2) -> FleetRun:
    """A fleet of small convolutional networks on 300 digits, one trial a regularization."""
    pixels, labels = load_digits(return_X_y=True)
    table = Table.of(
        [
            images("pixels", (pixels[:300] * 15).astype(np.uint8).reshape(-1, 1, 8, 8)),
            categorical("digit", [str(number) for number in range(10)], labels[:300]),
        ]
    )
    spec = JobSpec.model_validate(
        {
            "dataset": "ds_12345678",
            "target": "digit",
            "network": {"kind": "cnn", "channels": [4], "hidden": []},
            "training": {"epochs": epochs, "seed": SEED},
            "compare": [
                {"name": str(n), "regularization": r} for n, r in enumerate(regularizations)
            ],
        }
    )
    (fleet,) = plan(spec, Outline.of(table, spec))
    return FleetRun(fleet.trials, prepare(table, spec))


def test_resume_is_bit_identical() -> None:
    """All random techniques at once, stopped in the middle of an epoch."""
    undisturbed = trained(digits(EVERY, {})).result().dump()
    run = digits(EVERY, {})
    steps = count()
    for _ in run.epochs(interrupted=lambda: next(steps) >= 11):
        pass
    assert run.interrupted
    assert run.batch > 0
    resumed = digits(EVERY, {})
    resumed.restore(load_state(dump_state(run.state())))
    assert trained(resumed).result().dump() == undisturbed


def test_metrics_are_of_the_images_as_they_are() -> None:
    """The same weights: another objective, the same metrics, whatever augments."""
    engine = digits(EVERY, {}).engine
    engine.start_epoch(0)
    objective = engine.loss(engine.batch(0))
    assert not torch.isclose(objective[0], objective[1])
    for name, values in engine.measure().items():
        assert values[0] == values[1], name
