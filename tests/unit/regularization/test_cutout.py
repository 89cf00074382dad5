import pytest
import torch

from tests.batches import IMAGE, altered, batch


def test_features_are_set_to_zero_and_nothing_else() -> None:
    rows = batch((10,))
    found = altered(rows, "cutout", *[{"p": 1.0, "share": s} for s in (0.0, 0.2, 0.5, 1.0)]).x
    zeros = (found == 0).sum(2)
    assert bool((zeros == torch.tensor([0, 2, 5, 10])[:, None]).all())
    assert bool(((found == 0) | (found == rows.x)).all())
    assert not torch.equal(found[1, 0] == 0, found[1, 1] == 0)


def test_an_image_loses_one_box_in_all_channels() -> None:
    rows = batch(IMAGE)
    found = altered(rows, "cutout", *[{"p": 1.0, "share": 0.25}] * 4).x
    gone = found == 0
    assert torch.equal(gone, gone[:, :, :1].expand_as(gone))
    gone = gone[:, :, 0]
    box = gone.any(3)[..., :, None] & gone.any(2)[..., None, :]
    assert torch.equal(gone, box)
    assert bool((gone.sum((2, 3)) <= 5 * 4).all())


def test_rows_are_cut_with_probability_p() -> None:
    rows = batch((10,), trials=2, rows=4000)
    found = altered(rows, "cutout", {"p": 0.3}, {"p": 0.9}).x
    cut = (found == 0).any(2).double().mean(1)
    assert cut.tolist() == pytest.approx([0.3, 0.9], abs=0.03)
