"""Random operations are seen by what they do, however rarely it shows."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, nn
from torch.nn import functional

from worker.models.randomness import random_operations

X = torch.ones(2, 3, 4, 8)
ROW = torch.ones(3, 8)
DROPPING = nn.LSTM(8, 8, 2, dropout=0.1)


class Careless(nn.Module):
    """Drops whatever its mode is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, 0.1)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: functional.dropout(X, 1e-12),
        lambda: functional.alpha_dropout(X, 0.1, training=True),
        lambda: functional.dropout2d(X, 0.1),
        lambda: functional.scaled_dot_product_attention(X, X, X, dropout_p=0.1),
        lambda: functional.rrelu(X, training=True),
        lambda: functional.gumbel_softmax(X),
        lambda: torch.bernoulli(X),
        lambda: X + torch.randn_like(X),
        lambda: torch.empty(4).normal_(generator=Generator().manual_seed(0)),
        lambda: torch.randperm(4),
        lambda: DROPPING.train()(ROW),
        pytest.param(
            lambda: torch.export.export(Careless().eval(), (ROW,)).module()(ROW),
            marks=pytest.mark.slow,  # PyTorch imports its compiler
        ),
    ],
)
def test_what_draws_is_seen(compute: Callable[[], object]) -> None:
    assert len(random_operations(compute)) == 1


@pytest.mark.parametrize(
    "compute",
    [
        lambda: functional.dropout(X, 0.5, training=False),
        lambda: functional.dropout(X, 0.0),
        lambda: functional.scaled_dot_product_attention(X, X, X),
        lambda: functional.rrelu(X),
        lambda: DROPPING.eval()(ROW),
        lambda: X @ X.mT + torch.zeros(1).fill_(2.0),
    ],
)
def test_what_could_draw_but_does_not_is_none(compute: Callable[[], object]) -> None:
    assert random_operations(compute) == ()
