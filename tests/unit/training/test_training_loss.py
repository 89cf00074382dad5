"""The loss that is trained on: exact without techniques, resumable with random ones."""

from itertools import count
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.fleets import fleet, trained
from worker.training.losses import LOSSES
from worker.training.state import dump_state, load_state

RANDOM: dict[str, Any] = {
    "dataset": {"builtin": "iris"},
    "training": {"epochs": 4, "optimizer": {"kind": "adam", "learning_rate": 0.02}},
    "compare": [
        {"name": "off", "regularization": {}},
        {"name": "mixup", "regularization": {"mixup": {"alpha": 0.5}, "class_weights": {}}},
        {"name": "cutmix", "regularization": {"cutmix": {}, "label_smoothing": {}}},
        {
            "name": "all",
            "regularization": {
                "cutout": {},
                "mixup": {},
                "cutmix": {},
                "adversarial": {},
                "batch_norm": {},
                "dropout": {"p": 0.2},
            },
        },
    ],
}


def test_class_probabilities_of_certainty_are_class_numbers() -> None:
    """The soft loss of one-hot targets: same bits, and so the same gradient."""
    scores = torch.randn(3, 50, 4, requires_grad=True)
    y = torch.randint(4, (3, 50))
    soft = LOSSES["multiclass"](scores, functional.one_hot(y, 4).float())
    hard = LOSSES["multiclass"](scores, y)
    torch.testing.assert_close(soft, hard, rtol=0, atol=0)
    gradients = [torch.autograd.grad(loss.sum(), scores)[0] for loss in (soft, hard)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-7)


def test_without_techniques_it_is_the_loss_of_the_rows() -> None:
    engine = fleet(**{**RANDOM, "compare": RANDOM["compare"][:1]}).engine
    rows = torch.arange(30)[None]
    x, y, *_ = engine.data.gather(rows)
    assert y.dtype == torch.int64
    expected = functional.cross_entropy(engine.network(x)[0], y[0])
    torch.testing.assert_close(engine.loss(rows)[0], expected)


def test_class_weights_weigh_the_objective() -> None:
    """By hand: the mean of w_y·L, with the counts of the training rows alone."""
    variants = [
        {"name": "off", "regularization": {}},
        {"name": "on", "regularization": {"class_weights": {"weights": {"setosa": 5}}}},
    ]
    engine = fleet(**{**RANDOM, "compare": variants}).engine
    labels = engine.data.y[engine.data.parts["train"][0]]
    weights = torch.where(labels == 0, 5.0, 1.0)
    weights = weights / weights.mean()
    rows = engine.data.parts["train"][:1]
    x, y, *_ = engine.data.gather(rows)
    losses = LOSSES["multiclass"](engine.network(x), y)
    found = engine.loss(rows)
    torch.testing.assert_close(found[0], losses[0].mean())
    torch.testing.assert_close(found[1], (losses[1] * weights).mean())


@pytest.mark.parametrize("after", [0, 1, 5, 8, 14])
def test_resume_with_random_augmentation_is_bit_identical(after: int) -> None:
    undisturbed = trained(fleet(**RANDOM)).result().dump()
    run = fleet(**RANDOM)
    steps = count()
    for _ in run.epochs(interrupted=lambda: next(steps) >= after):
        pass
    resumed = fleet(**RANDOM)
    resumed.restore(load_state(dump_state(run.state())))
    assert trained(resumed).result().dump() == undisturbed


def test_metrics_are_measured_without_it() -> None:
    """Heavy augmentation changes the objective, and no metric of the same weights."""
    heavy = {
        "label_smoothing": {"smoothing": 0.9},
        "cutout": {"p": 1.0, "share": 0.9},
        "mixup": {"alpha": 1.0},
        "adversarial": {"epsilon": 1.0},
        "class_weights": {"weights": {"setosa": 100}},
    }
    variants = [{"name": "off", "regularization": {}}, {"name": "on", "regularization": heavy}]
    engine = fleet(**{**RANDOM, "compare": variants}).engine
    engine.start_epoch(0)
    objective = engine.loss(engine.batch(0))
    assert not torch.isclose(objective[0], objective[1])
    for name, values in engine.measure().items():
        assert values[0] == values[1], name
