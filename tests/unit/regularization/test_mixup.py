import pytest
import torch

from tests.batches import IMAGE, TABLE, altered, batch
from tests.streams import stream
from worker.regularization.batch import partners
from worker.training.losses import LOSSES

ALPHAS = [{"alpha": 0.2}, {"alpha": 1.0}, {"alpha": 5.0}, None]


def shares(seed: int) -> torch.Tensor:
    """What the technique draws: 1 − λ of each trial."""
    return stream(4, seed).beta(torch.tensor([0.2, 1.0, 5.0, 0.0]))


@pytest.mark.parametrize("shape", [TABLE, IMAGE])
def test_rows_lie_between_two_rows(shape: tuple[int, ...]) -> None:
    rows = batch(shape)
    found, share = altered(rows, "mixup", *ALPHAS, seed=3).x, shares(3)
    for trial, part in enumerate(share):
        expected = (1 - part) * rows.x[trial] + part * partners(rows.x)[trial]
        torch.testing.assert_close(found[trial], expected)


@pytest.mark.parametrize(("task", "classes"), [("multiclass", 3), ("binary", 2)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_the_mixed_cross_entropy(task: str, classes: int, weighted: bool) -> None:
    """λ·w·L(y) + (1 − λ)·w₂·L(y₂), to rounding, with the rows' class weights."""
    rows = batch(classes=classes)
    if weighted:
        rows = altered(rows, "class_weights", {}, {"weights": {"a": 5}}, None, {})
    found = altered(rows, "mixup", *ALPHAS, seed=3)
    scores = torch.randn(4, 16, 3 if classes == 3 else 1)
    loss = LOSSES[task](scores, found.y)  # type: ignore[index]
    own, theirs = (LOSSES[task](scores, y) for y in (rows.y, partners(rows.y)))  # type: ignore[index]
    if rows.weights is not None and found.weights is not None:
        loss = loss * found.weights
        own, theirs = own * rows.weights, theirs * partners(rows.weights)
    share = shares(3)[:, None]
    torch.testing.assert_close(loss, (1 - share) * own + share * theirs)


def test_a_squared_errors_gradient_is_the_mixed_one() -> None:
    """The loss differs by a term without the scores: λ(1 − λ)(y − y₂)²."""
    rows = batch(classes=0)
    found, share = altered(rows, "mixup", *ALPHAS, seed=3), shares(3)[:, None]
    scores = torch.randn(4, 16, 1)
    loss = LOSSES["regression"]
    mixed = (1 - share) * loss(scores, rows.y) + share * loss(scores, partners(rows.y))
    rest = share * (1 - share) * (rows.y - partners(rows.y)).square()
    torch.testing.assert_close(loss(scores, found.y) + rest, mixed)


def test_a_batch_of_one_has_no_partner() -> None:
    rows = batch(rows=1)
    found = altered(rows, "mixup", *ALPHAS)
    torch.testing.assert_close(found.x, rows.x)
    torch.testing.assert_close(found.y, rows.soft())
