import pytest
import torch

from tests.streams import stream
from worker.regularization.regions import region


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_features_are_counted_exactly(share: float) -> None:
    mask = region((10,), torch.full((3, 50), share), stream(1))
    assert mask.shape == (3, 50, 10)
    assert bool((mask.sum(-1) == round(share * 10)).all())


@pytest.mark.slow
def test_every_feature_and_every_pair_is_equally_likely() -> None:
    """A set is a stretch of a shuffled ring: over batches, all sets are equal."""
    masks = [region((5,), torch.full((1, 1), 0.4), stream(1, s)) for s in range(6000)]
    found = torch.cat(masks).flatten(0, 1)  # 2 of 5
    pairs = found.T @ found / len(found)
    torch.testing.assert_close(pairs.diagonal(), torch.full((5,), 0.4), atol=0.03, rtol=0)
    apart = pairs[~torch.eye(5, dtype=torch.bool)]
    torch.testing.assert_close(apart, torch.full((20,), 0.1), atol=0.02, rtol=0)


@pytest.mark.parametrize("shape", [(2, 40), (3, 20, 30)])
def test_boxes_have_their_share_and_may_hang_over(shape: tuple[int, ...]) -> None:
    """Inside the border the share is kept to a pixel a side; nowhere is it larger."""
    mask = region(shape, torch.full((4000,), 0.25), stream(4000))
    assert mask.shape == (4000, 1, *shape[1:])
    area = mask.flatten(1).mean(1)
    side = 0.25 ** (1 / (len(shape) - 1))
    most = torch.tensor([round(side * n) / n + 1 / n for n in shape[1:]]).prod()
    assert area.max() <= most
    whole = mask[..., 0, :].sum(-1).eq(0).all(-1) if len(shape) == 3 else mask[..., 0].eq(0).all(1)
    assert area[whole].max() == pytest.approx(0.25, abs=0.06)
    everywhere = mask.mean(0)[0]
    assert everywhere.min() > 0.05


def test_an_empty_share_is_an_empty_box() -> None:
    assert not region((1, 8, 8), torch.zeros(100), stream(1)).any()
