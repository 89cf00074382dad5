"""Alpha dropout keeps mean and variance, as PyTorch's does."""

import pytest
import torch
from torch import Generator
from torch.nn import functional

from tests.streams import stream
from worker.regularization.alpha_dropout import AlphaDropout
from worker.regularization.families.dropout import DropoutLayer

P = (0.0, 0.05, 0.2, 0.5)


def test_mean_and_variance_within_two_percent() -> None:
    generator = Generator().manual_seed(0)
    h = torch.randn(4, 1000, 500, generator=generator)
    layer = DropoutLayer(AlphaDropout, torch.tensor(P), (None,) * 4, 3, stream(4))
    variance, mean = torch.var_mean(layer(h), dim=(1, 2))
    assert mean.tolist() == pytest.approx([0] * 4, abs=0.02)
    assert variance.tolist() == pytest.approx([1] * 4, abs=0.02)
    assert torch.equal(layer(h)[0], h[0])
    assert torch.equal(layer.eval()(h), h)


@pytest.mark.parametrize("p", P[1:])
def test_takes_pytorch_s_values(p: float) -> None:
    """Of constant activations both make two values, and the same ones."""
    h = torch.full((1, 100, 100), 0.7)
    layer = DropoutLayer(AlphaDropout, torch.tensor([p]), (None,), 3, stream())
    ours = layer(h).unique()
    theirs = functional.alpha_dropout(h, p, training=True).unique()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
