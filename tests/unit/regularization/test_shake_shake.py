"""Shake-Shake: two branches, mixed at random forward and otherwise backward."""

import pytest
import torch
from torch import Tensor

from tests.streams import stream
from tests.techniques import network, rows
from worker.regularization import ShakeShake
from worker.regularization.per_trial import PerTrial

RESIDUAL = {"kind": "residual_mlp", "blocks": 2, "width": 4}


def mixed(*members: ShakeShake | None, rows: int = 4000) -> tuple[Tensor, Tensor]:
    """α forward and β backward, ``[K, rows]``: of branches 1 and 0."""
    layer = ShakeShake.layer(PerTrial(members), 3, stream(len(members)))
    first = torch.ones(len(members), rows, 1, requires_grad=True)
    second = torch.zeros(len(members), rows, 1, requires_grad=True)
    alpha = layer(first, second)
    beta, rest = torch.autograd.grad(alpha.sum(), (first, second))
    torch.testing.assert_close(rest, 1 - beta)
    return alpha[..., 0].detach(), beta[..., 0]


def test_alpha_and_beta_are_uniform_and_apart() -> None:
    alpha, beta = mixed(ShakeShake())
    for share in (alpha, beta):
        assert 0 <= share.min() < 0.01
        assert 0.99 < share.max() <= 1
        assert share.mean().item() == pytest.approx(0.5, abs=0.02)
    assert torch.corrcoef(torch.cat([alpha, beta]))[0, 1].abs() < 0.05


def test_even_keep_and_off() -> None:
    alpha, beta = mixed(
        ShakeShake(forward="even", backward="even"), ShakeShake(backward="keep"), None
    )
    assert (alpha[0] == 0.5).all()
    assert (beta[0] == 0.5).all()
    assert torch.equal(alpha[1], beta[1])
    assert alpha[1].std() > 0.2
    assert (alpha[2] == 1).all()
    assert (beta[2] == 1).all()


def test_mean_of_both_branches_in_eval_mode() -> None:
    layer = ShakeShake.layer(PerTrial((ShakeShake(), None)), 3, stream(2)).eval()
    assert layer(torch.ones(2, 1, 1), torch.zeros(2, 1, 1)).flatten().tolist() == [0.5, 1.0]


def test_second_branches_keep_the_numbers_of_their_layers() -> None:
    built = network(RESIDUAL, (3,), {"shake_shake": {}, "batch_norm": {}}, {})
    names = dict(built.named_parameters())
    assert {n for n in names if n.startswith("twin")} == {
        *(f"twins.{layer}.{part}" for layer in (1, 2, 3, 4) for part in ("weight", "bias")),
        *(f"twin_norms.{n}.batch_norm.{part}" for n in (1, 3) for part in ("weight", "bias")),
    }
    alone = network(RESIDUAL, (3,), {})
    x = rows(2, 5, 3)
    torch.testing.assert_close(built.eval()(x)[1], alone.eval()(x[:1])[0])
