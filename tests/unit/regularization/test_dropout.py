"""Dropout: the text's example, its statistics, its schedule, its identities."""

import pytest
import torch
from pydantic import ValidationError

from tests.streams import stream
from tests.techniques import network, rows
from worker.regularization import Dropout
from worker.regularization.families.dropout import DropoutLayer
from worker.regularization.ramp import Ramp

MLP = {"kind": "mlp", "hidden": [6, 5]}


def layer(*p: float, schedules: tuple[Ramp | None, ...] | None = None) -> DropoutLayer:
    ramps = schedules or (None,) * len(p)
    return DropoutLayer(Dropout, torch.tensor(p), ramps, 3, stream(len(p)))


def test_the_text_s_example() -> None:
    """h = [1, 2, 3], M = [1, 0, 1], p = .5 gives [2, 0, 6]."""
    h, keep = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[1.0, 0.0, 1.0]]])
    q = Dropout.constants(torch.tensor([[[0.5]]]))
    assert Dropout.drop(h, Dropout.slope(keep, q), q).tolist() == [[[2.0, 0.0, 6.0]]]


def test_each_trial_drops_its_own_share_and_keeps_the_mean() -> None:
    p = (0.0, 0.1, 0.5, 0.9)
    dropped = layer(*p)(torch.ones(4, 500, 100))
    for trial, share in zip(dropped, p, strict=True):
        assert (trial == 0).float().mean().item() == pytest.approx(share, abs=0.01)
        assert trial.mean().item() == pytest.approx(1, abs=0.05)
        assert trial.max().item() == pytest.approx(1 / (1 - share), rel=1e-4)


def test_identity_in_eval_mode_and_at_p_zero() -> None:
    h = torch.randn(2, 8, 5)
    assert torch.equal(layer(0.5, 0.5).eval()(h), h)
    assert torch.equal(layer(0.0, 0.5)(h)[0], h[0])


def test_same_seed_same_mask() -> None:
    h = torch.randn(1, 8, 5)
    assert torch.equal(layer(0.5)(h), layer(0.5)(h))


def test_p_may_follow_a_schedule() -> None:
    """A ramp from 0 to p; a trial without one keeps its p."""
    scheduled = layer(0.5, 0.5, schedules=(Ramp(kind="linear"), None))
    dropped = []
    for epoch in range(3):
        scheduled.start_epoch(epoch, 3)
        dropped.append((scheduled(torch.ones(2, 500, 100)) == 0).float().mean((1, 2)).tolist())
    assert dropped[0][0] == 0
    assert [d[0] for d in dropped] == pytest.approx([0, 0.25, 0.5], abs=0.01)
    assert [d[1] for d in dropped] == pytest.approx([0.5] * 3, abs=0.01)


def test_p_a_layer_and_shapes() -> None:
    assert Dropout(p=(0.1, 0.2)).rates(2) == (0.1, 0.2)
    assert Dropout(p=0.5, shape="funnel").rates(2) == (0.5, 0.25)
    with pytest.raises(ValidationError, match="leave the shape out"):
        Dropout(p=(0.1, 0.2), shape="funnel")


def test_acts_on_input_and_hidden_layers_never_on_the_output() -> None:
    drops = network(MLP, (4,), {"dropout": {"p": 0.5, "input_p": 0.5}})
    places = [name for name, m in drops.named_modules() if isinstance(m, DropoutLayer)]
    assert places == ["input", "dropouts.0", "dropouts.1"]


def test_network_is_scheduled_by_its_epoch() -> None:
    ramp = {"kind": "cosine"}
    drops = network(MLP, (4,), {"dropout": {"schedule": ramp}}, {})
    x = rows(2, 64, 4)
    drops.start_epoch(0, 10)
    assert torch.equal(*drops(x))
    drops.start_epoch(9, 10)
    assert not torch.equal(*drops(x))


@pytest.mark.parametrize("p", [0.99, 0.9999, 0.99999, 0.999999])
def test_the_mean_is_kept_as_p_nears_1(p: float) -> None:
    """Survivors are scaled by the probability that masks really have."""
    layer = DropoutLayer(Dropout, torch.tensor([p]), [None], 2, stream())
    keep_share = float(1 - layer.amount)
    assert keep_share == pytest.approx(1 - p, abs=1 / 65_536)
    kept = layer.mask(torch.ones(1, 20_000_000)).mean().item()
    assert kept == pytest.approx(keep_share, rel=0.3)
