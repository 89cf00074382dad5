import pytest
import torch
from torch import Generator

from worker.regularization.draws import around, beta, chosen


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0, 100.0])
def test_beta_has_its_moments(alpha: float) -> None:
    """Mean ½, variance 1/(4(2α + 1)), fourth central moment 3/(16(2α + 1)(2α + 3))."""
    draws = beta(torch.full((200_000,), alpha), Generator().manual_seed(0)).double() - 0.5
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(draws.mean()) < 5 * (variance / 200_000) ** 0.5
    assert draws.square().mean() == pytest.approx(variance, rel=0.02)
    fourth = 3 * variance / (4 * (2 * alpha + 3))
    assert (draws**4).mean() == pytest.approx(fourth, rel=0.04)


def test_beta_of_tiny_alpha_is_a_coin() -> None:
    """α → 0: λ is 0 or 1, never NaN, never ½ from two underflows; α = 0 mixes nothing."""
    draws = beta(torch.full((10_000,), 1e-6), Generator().manual_seed(0))
    assert ((draws == 0) | (draws == 1)).double().mean() > 0.999
    assert draws.mean() == pytest.approx(0.5, abs=0.03)
    assert bool((beta(torch.zeros(3), Generator()) == 0).all())


def test_probabilities_and_ranges() -> None:
    p = torch.tensor([0.0, 0.3, 1.0])
    picks = chosen(p, 20_000, Generator().manual_seed(0)).mean(1)
    assert picks[0] == 0
    assert picks[1] == pytest.approx(0.3, abs=0.02)
    assert picks[2] == 1
    limits = torch.tensor([0.0, 2.0])
    draws = around(limits, 20_000, Generator().manual_seed(0))
    assert bool((draws[0] == 0).all())
    assert draws[1].abs().max() <= 2
    assert draws[1].mean() == pytest.approx(0.0, abs=0.03)
    assert draws[1].var() == pytest.approx(4 / 3, rel=0.03)
