import pytest
import torch

from tests.batches import IMAGE, SERIES, TABLE, altered, batch
from worker.regularization.batch import Batch, partners
from worker.training.losses import LOSSES

ALWAYS = [{"p": 1.0}, {"p": 1.0, "alpha": 5.0}, {"p": 1.0, "alpha": 0.5}, None]


def swapped(rows: Batch, found: Batch) -> torch.Tensor:
    """``[K]``: the share of positions that come from the partner; all rows and channels agree."""
    mask = (found.x == partners(rows.x)).float()
    assert bool(((found.x == rows.x) | (mask == 1)).all())
    assert torch.equal(mask, mask[:, :1].expand_as(mask))
    return mask.flatten(1).mean(1)


@pytest.mark.parametrize("shape", [TABLE, SERIES, IMAGE])
def test_the_label_is_mixed_by_the_share_that_was_swapped(shape: tuple[int, ...]) -> None:
    for seed in range(20):
        rows = batch(shape)
        found = altered(rows, "cutmix", *ALWAYS, seed=seed)
        share = swapped(rows, found)[:, None, None]
        expected = (1 - share) * rows.soft() + share * partners(rows.soft())
        torch.testing.assert_close(found.y, expected)


def test_the_loss_is_the_mixed_cross_entropy() -> None:
    rows = altered(batch(), "class_weights", *[{}] * 4)
    found = altered(rows, "cutmix", *ALWAYS, seed=2)
    share = swapped(rows, found)[:, None]
    assert bool((share[:3] > 0).all())
    scores, loss = torch.randn(4, 16, 3), LOSSES["multiclass"]
    assert rows.weights is not None
    assert found.weights is not None
    own, theirs = loss(scores, rows.y), loss(scores, partners(rows.y))
    expected = (1 - share) * own * rows.weights + share * theirs * partners(rows.weights)
    torch.testing.assert_close(loss(scores, found.y) * found.weights, expected)


def test_a_batch_is_mixed_with_probability_p() -> None:
    """Of 400 batches each; a drawn share may round to nothing, never the other way."""
    rows = batch((50,), trials=3)
    settings = [{"p": 0.3}, {"p": 1.0}, {"p": 0.0}]
    found = [altered(rows, "cutmix", *settings, seed=seed).x for seed in range(400)]
    mixed = torch.stack([(x != rows.x).flatten(1).any(1) for x in found]).double().mean(0)
    assert mixed[0] == pytest.approx(0.3, abs=0.07)
    assert mixed[1] > 0.97
    assert mixed[2] == 0
