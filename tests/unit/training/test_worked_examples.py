"""The worked examples of the textbook, through the engine's own parts."""

import pytest
import torch

from worker.regularization import L2, Dropout, ParameterIndex, PerTrial
from worker.regularization.families.decay import Decays
from worker.regularization.families.penalty import Penalties
from worker.regularization.weight_decay import WeightDecay
from worker.spec import AdamSpec, SgdSpec
from worker.training.optimizers import Adam, Sgd


def columns(width: int) -> ParameterIndex:
    """All weights, of one layer."""
    return ParameterIndex(
        torch.ones(width, dtype=torch.bool), torch.zeros(width, dtype=torch.int64)
    )


def test_l2_step() -> None:
    """W = .5, gradient .1, λ = .01, η = .01: W becomes .4989."""
    w, gradient = torch.tensor([[0.5]]), torch.tensor([[0.1]])
    penalties = Penalties({L2: PerTrial((L2(strength=0.01),))}, columns(1))
    penalties.add_gradient(w, gradient, torch.zeros(1))
    Sgd([SgdSpec(kind="sgd", learning_rate=0.01)], w).step(w, gradient, 0.01, 1)
    assert w.item() == pytest.approx(0.4989, abs=1e-7)


def test_dropout_mask() -> None:
    """h = [1, 2, 3], M = [1, 0, 1], p = .5: [2, 0, 6]."""
    h, mask = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, 1.0])
    q = Dropout.constants(torch.tensor(0.5))
    assert Dropout.drop(h, Dropout.slope(mask, q), q).tolist() == [2.0, 0.0, 6.0]


@pytest.mark.parametrize(
    ("method", "expected"), [("coupled", [0.9, 9.9]), ("decoupled", [0.95, 9.5])]
)
def test_decay_under_adam(method: str, expected: list[float]) -> None:
    """No gradient, η = .1, λ = .5, w = (1, 10): Adam evens a coupled decay out."""
    w, gradient = torch.tensor([[1.0, 10.0]]), torch.zeros(1, 2)
    settings = WeightDecay.model_validate({"strength": 0.5, "method": method})
    decays = Decays({WeightDecay: PerTrial((settings,))}, columns(2))
    decays.add_gradient(w, gradient)
    decays.decay(w, 0.1)
    Adam([AdamSpec(learning_rate=0.1)], w).step(w, gradient, 0.1, 1)
    torch.testing.assert_close(w, torch.tensor([expected]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("technique", "expected"), [(L2, 0.90), (WeightDecay, 0.95)])
def test_l2_is_twice_weight_decay(technique: type[L2 | WeightDecay], expected: float) -> None:
    """SGD, no gradient, η = .1, λ = .5: λW² in the loss gives .90, a decay of λW gives .95."""
    w, gradient = torch.ones(1, 1), torch.zeros(1, 1)
    if technique is L2:
        penalties = Penalties({L2: PerTrial((L2(strength=0.5),))}, columns(1))
        penalties.add_gradient(w, gradient, torch.zeros(1))
    else:
        settings = WeightDecay(strength=0.5, method="coupled")
        Decays({WeightDecay: PerTrial((settings,))}, columns(1)).add_gradient(w, gradient)
    Sgd([SgdSpec(kind="sgd")], w).step(w, gradient, 0.1, 1)
    assert w.item() == pytest.approx(expected)
