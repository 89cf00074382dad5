"""What holds for every technique that acts on a training batch."""

from typing import Any

import pytest
import torch

from tests.batches import IMAGE, SERIES, TABLE, altered, batch
from tests.fleets import fleet, trained
from worker.regularization import techniques
from worker.regularization.families.augmentation import ImageAugmentation
from worker.regularization.families.batch import BatchTechnique, TargetTechnique

FOUND = {n: t for n, t in techniques().items() if issubclass(t, BatchTechnique)}
SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "class_weights": ({}, {"weights": {"a": 3.0}}, {"weights": {"a": 1.0, "b": 9.0}}),
    "label_smoothing": ({}, {"smoothing": 0.3}, {"smoothing": 0.05}),
    "random_crop": ({"padding": 2}, {"padding": 1}, {"padding": 5}),
    "flip": ({}, {"horizontal": 0.0, "vertical": 0.7}, {"horizontal": 1.0}),
    "rotation": ({}, {"degrees": 180.0}, {"degrees": 1.0}),
    "color_jitter": ({}, {"saturation": 1.0}, {"contrast": 0.9, "brightness": 0.0}),
    "image_noise": ({}, {"p": 1.0}, {"deviation": 1.0}),
    "erasing": ({}, {"p": 1.0, "fill": "zero"}, {"p": 0.3, "largest": 0.9}),
    "cutout": ({}, {"p": 1.0, "share": 0.5}, {"p": 0.2}),
    "mixup": ({}, {"alpha": 1.0}, {"alpha": 1e-3}),
    "cutmix": ({}, {"p": 1.0}, {"p": 1.0, "alpha": 3.0}),
}
ZERO: dict[str, dict[str, Any]] = {
    "label_smoothing": {"smoothing": 0.0},
    "random_crop": {"padding": 0},
    "flip": {"horizontal": 0.0},
    "rotation": {"degrees": 0.0},
    "color_jitter": {"brightness": 0.0, "contrast": 0.0},
    "image_noise": {"p": 0.0},
    "erasing": {"p": 0.0},
    "cutout": {"p": 0.0},
    "mixup": {"alpha": 0.0},
    "cutmix": {"p": 0.0},
}
CASES = [
    pytest.param(name, shape, classes, id=f"{name}-{len(shape)}d-{classes}")
    for name, technique in FOUND.items()
    for shape in ((IMAGE,) if issubclass(technique, ImageAugmentation) else (TABLE, SERIES, IMAGE))
    for classes in ((2, 3) if issubclass(technique, TargetTechnique) else (0, 2, 3))
]


def test_every_technique_is_in_these_tests() -> None:
    assert set(FOUND) == set(SETTINGS)


@pytest.mark.parametrize(("name", "shape", "classes"), CASES)
def test_off_is_the_batch_itself(name: str, shape: tuple[int, ...], classes: int) -> None:
    """A trial without the technique, or with it at 0, gets its rows and targets bit by bit."""
    rows = batch(shape, trials=5, classes=classes)
    for seed in range(5):
        found = altered(rows, name, *SETTINGS[name], None, ZERO.get(name), seed=seed)
        assert torch.equal(found.x[3:], rows.x[3:])
        assert torch.equal(found.soft()[3:], rows.soft()[3:])
        assert found.weights is None or bool((found.weights[3] == 1).all())


@pytest.mark.parametrize(("name", "shape", "classes"), CASES)
def test_shapes_and_labels_are_kept(name: str, shape: tuple[int, ...], classes: int) -> None:
    """Same shape, finite numbers, no write into shared data; labels only change where declared."""
    rows = batch(shape, classes=classes)
    before = rows.x.clone(), rows.y.clone()
    found = altered(rows, name, *SETTINGS[name], None)
    assert found.x.shape == rows.x.shape
    assert found.x.isfinite().all()
    assert torch.equal(rows.x, before[0])
    assert torch.equal(rows.y, before[1])
    assert found.soft().shape == rows.soft().shape
    if classes == 3:
        torch.testing.assert_close(found.soft().sum(-1), torch.ones(4, 16))
    if issubclass(FOUND[name], ImageAugmentation) or name in {"cutout", "class_weights"}:
        assert found.y is rows.y
    if issubclass(FOUND[name], TargetTechnique):
        assert found.x is rows.x
    else:
        assert not torch.equal(found.x[:3], rows.x[:3])


@pytest.mark.parametrize("name", FOUND)
def test_the_generator_decides(name: str) -> None:
    """One state of the generator, one result; the global stream is neither read nor moved."""
    state = torch.random.get_rng_state()
    first, again, other = (
        altered(batch(IMAGE), name, *SETTINGS[name], None, seed=seed).x for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert torch.equal(first, other) == issubclass(FOUND[name], TargetTechnique)
    assert torch.equal(state, torch.random.get_rng_state())


CIRCLE: dict[str, Any] = {
    "dataset": {"builtin": "circle", "rows": 300},
    "training": {
        "epochs": 3,
        "batch_size": 32,
        "optimizer": {"kind": "sgd", "learning_rate": 0.1},
    },
}
"""By SGD: under Adam a bias before batch norm follows the rounding of its zero gradient."""
DETERMINISTIC: dict[str, list[dict[str, Any]]] = {
    "class_weights": [{}, {"weights": {"1": 4}}, {"weights": {"0": 0.2}}],
    "label_smoothing": [{}, {"smoothing": 0.3}, {"smoothing": 0.0}],
    "adversarial": [{}, {"epsilon": 0.5}, {"epsilon": 0.01}],
}


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_trial_equals_its_fleet_of_one_with_two_classes(name: str) -> None:
    """Three settings and "off" in one fleet with one output, beside batch normalization."""
    variants = [
        {"name": str(row), "regularization": {"batch_norm": {}, **given}}
        for row, given in enumerate([*({name: s} for s in DETERMINISTIC[name]), {}])
    ]
    together = trained(fleet(compare=variants, **CIRCLE)).result().tensors
    for row, variant in enumerate(variants):
        alone = trained(fleet(compare=[variant], **CIRCLE)).result().tensors
        for key, tensor in alone.items():
            if key.startswith(("weights.", "buffers.")):
                torch.testing.assert_close(tensor[0], together[key][row], rtol=1e-4, atol=1e-5)
