import pytest
import torch

from tests.fleets import trained
from tests.weights import served, small_fleet, weights
from worker.regularization import L2, PerTrial
from worker.regularization.families.decay import Decays
from worker.regularization.families.penalty import Penalties
from worker.regularization.ramp import Ramp, Ramps
from worker.regularization.weight_decay import WeightDecay


def test_shares_follow_from_the_epoch() -> None:
    ramps = [
        Ramp(kind="linear"),
        Ramp(kind="cosine", start=1.0, end=0.0),
        Ramp(kind="constant", end=0.3),
        None,
    ]
    found = torch.stack([Ramps(ramps, "cpu").shares(epoch, 5) for epoch in range(5)])
    expected = [[0, 0.25, 0.5, 0.75, 1], [1, 0.853553, 0.5, 0.146447, 0], [0.3] * 5, [1] * 5]
    torch.testing.assert_close(found, torch.tensor(expected).T)
    assert not Ramps([None, None], "cpu")


def test_a_penalty_grows_with_its_schedule() -> None:
    w, columns = weights(2)
    members = (L2(strength=0.1, schedule=Ramp(kind="linear")), L2(strength=0.1))
    penalties = Penalties({L2: PerTrial(members)}, columns)
    for epoch, share in enumerate([0.0, 0.5, 1.0]):
        penalties.start_epoch(epoch, 3)
        full = 0.1 * w[:, columns.weight].square().sum(1)
        torch.testing.assert_close(penalties.value(w), full * torch.tensor([share, 1.0]))


@pytest.mark.parametrize("method", ["decoupled", "coupled"])
def test_a_decay_grows_with_its_schedule(method: str) -> None:
    w, columns = weights(1)
    settings = {"strength": 0.5, "method": method, "schedule": {"kind": "linear"}}
    decays = Decays({WeightDecay: PerTrial((WeightDecay.model_validate(settings),))}, columns)
    for epoch, share in enumerate([0.0, 0.5, 1.0]):
        decays.start_epoch(epoch, 3)
        after, gradient = w.clone(), torch.zeros_like(w)
        decays.decay(after, 0.1)
        decays.add_gradient(w, gradient)
        moved = (w - after) / 0.1 + gradient
        torch.testing.assert_close(moved, 0.5 * share * w * columns.weight, rtol=1e-4, atol=1e-5)


def test_a_constant_share_is_a_smaller_strength() -> None:
    half = {"l1": {"strength": 0.02, "schedule": {"kind": "constant", "end": 0.5}}}
    run = trained(small_fleet(half, {"l1": {"strength": 0.01}}))
    left, right = (served(run.result(), trial) for trial in (0, 1))
    assert all(torch.equal(tensor, right[name]) for name, tensor in left.items())
