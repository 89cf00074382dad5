"""What every technique says of itself, whatever it does."""

import pytest

from worker.regularization import techniques
from worker.regularization.technique import Memory


def test_needs_add_up_over_techniques_and_not_over_trials() -> None:
    first, second = Memory(kept=1, activations=6), Memory(kept=2, step=2)
    assert first.at_least(second) == Memory(kept=2, step=2, activations=6)
    assert first.at_least(None) == first
    assert Memory.total([first, second]) == Memory(kept=3, step=2, activations=6)
    assert Memory.total([]) == Memory()


@pytest.mark.parametrize(
    ("name", "settings", "memory"),
    [
        ("l1", {"strength": 0.1}, Memory(step=2)),
        ("weight_decay", {"strength": 0.1}, Memory(step=2)),
        ("max_norm", {}, Memory(step=2)),
        ("ema", {}, Memory(kept=1)),
        ("orthogonality", {"strength": 0.1}, Memory(step=4)),
        ("jacobian", {"strength": 0.1, "projections": 2}, Memory(activations=14)),
        ("dropout", {}, Memory()),
    ],
)
def test_memory_by_name(name: str, settings: dict[str, float], memory: Memory) -> None:
    assert techniques()[name].model_validate(settings).memory() == memory


@pytest.mark.parametrize(
    ("name", "settings", "restrains"),
    [
        ("l1", {"strength": 1e-5}, False),
        ("l1", {"strength": 1e-4}, True),
        ("dropout", {"p": 0.05}, False),
        ("dropout", {"p": [0.0, 0.1]}, True),
        ("dropout", {"p": 0.0, "input_p": 0.1}, True),
        ("drop_connect", {"p": 0.05}, False),
        ("stochastic_depth", {"p": 0.1}, True),
        ("label_smoothing", {"smoothing": 0.0}, False),
        ("label_smoothing", {}, True),
        ("jacobian", {"strength": 0.1}, True),
        *((name, {}, True) for name in ("max_norm", "noise", "mixup", "adversarial", "swa")),
        *((name, {}, True) for name in ("shake_shake", "snapshot_ensemble", "early_stopping")),
        *((name, {}, False) for name in ("batch_norm", "class_weights", "ema", "lookahead")),
    ],
)
def test_what_holds_a_network_back(name: str, settings: dict[str, float], restrains: bool) -> None:
    assert techniques()[name].model_validate(settings).restrains() == restrains


def test_usual_settings_are_within_their_own_usual_range() -> None:
    for technique in techniques().values():
        usual = technique.usual()
        if hasattr(usual, "usual_range"):
            low, high = usual.usual_range()
            assert low <= usual.model_dump()["strength"] <= high
