import pytest
import torch
from torch.nn import functional

from tests.batches import altered, batch
from worker.training.losses import LOSSES


def test_closed_form() -> None:
    """(1 − s)·y + s/C; binary counts as two classes."""
    three = altered(batch(), "label_smoothing", {"smoothing": 0.3}, {"smoothing": 0.1}, None, {}).y
    hot = functional.one_hot(batch().y, 3)
    torch.testing.assert_close(three[0], 0.7 * hot[0] + 0.1)
    torch.testing.assert_close(three[1], 0.9 * hot[1] + 0.1 / 3)
    two = altered(batch(classes=2), "label_smoothing", {"smoothing": 0.2}, None, None, None).y
    torch.testing.assert_close(two[0], 0.8 * batch(classes=2).y[0] + 0.1)


@pytest.mark.parametrize("s", [0.0, 0.1, 0.5])
def test_the_loss_is_torchs(s: float) -> None:
    rows = batch()
    smoothed = altered(rows, "label_smoothing", *[{"smoothing": s}] * 4)
    scores = torch.randn(4, 16, 3)
    found = LOSSES["multiclass"](scores, smoothed.y)
    expected = functional.cross_entropy(
        scores.flatten(0, 1), rows.y.flatten(), reduction="none", label_smoothing=s
    )
    torch.testing.assert_close(found.flatten(), expected)


def test_binary_is_two_classes() -> None:
    """The loss of a logit is that of the two scores (0, logit)."""
    rows = batch(classes=2)
    smoothed = altered(rows, "label_smoothing", *[{"smoothing": 0.2}] * 4)
    logit = torch.randn(4, 16, 1)
    found = LOSSES["binary"](logit, smoothed.y)
    two = torch.cat([torch.zeros_like(logit), logit], dim=2).flatten(0, 1)
    expected = functional.cross_entropy(
        two, rows.y.flatten().long(), reduction="none", label_smoothing=0.2
    )
    torch.testing.assert_close(found.flatten(), expected)
