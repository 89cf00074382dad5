"""Networks with embeddings, trained: by hand and by autograd, alone and in company, killed."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.fleets import fleet, fleets, trained
from worker.models import TrainedModel, certify
from worker.networks.mlp import Mlp
from worker.training import FleetRun

PERIODIC: dict[str, Any] = {"kind": "periodic", "frequencies": 5, "sigma": 0.2, "dimension": 3}
BINS: dict[str, Any] = {"kind": "piecewise_linear", "bins": 6}
TREE: dict[str, Any] = {"kind": "piecewise_linear", "bins": 5, "by": "tree", "dimension": 7}
KINDS = pytest.mark.parametrize("embedding", [PERIODIC, BINS, TREE])


def job(embedding: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    return {
        "dataset": {"builtin": "wine"},
        "network": {"kind": "mlp", "hidden": [7, 5], "embedding": embedding},
        "training": {"epochs": 3, "batch_size": 33},
        "regularization": {"dropout": {"p": 0.2}, "l2": {"strength": 1e-3}},
        **changes,
    }


@KINDS
def test_backpropagation_by_hand_trains_like_autograd(
    embedding: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sgd = {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.5}
    body = job(embedding, training={"epochs": 4, "batch_size": 16, "optimizer": sgd})
    run = fleet(**body)
    assert run.engine.loss.is_by_hand
    before = run.engine.parameters.values.clone()
    by_hand = trained(run).engine.parameters.values
    monkeypatch.setattr(Mlp, "by_hand", lambda _: None)
    other = trained(fleet(**body)).engine.parameters.values
    torch.testing.assert_close(other, by_hand, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(before, by_hand, atol=0.05)


@pytest.mark.parametrize("kind", ["mlp", "residual_mlp"])
def test_trials_of_other_sigma_share_a_fleet_and_are_the_same_alone(kind: str) -> None:
    """Columns of 13 numbers, 3 units each: nothing in it is a multiple of 4."""
    size = {"hidden": [7, 5]} if kind == "mlp" else {"width": 7, "blocks": 1}
    configurations = [
        {
            "name": str(sigma),
            "network": {"kind": kind, **size, "embedding": {**PERIODIC, "sigma": sigma}},
        }
        for sigma in (0.01, 0.3, 1.0)
    ]
    (run,) = fleets(**job(None, compare=configurations, repeats=2))
    assert len(run.trials) == 6
    together = trained(run).engine
    for row, trial in enumerate(run.trials):
        alone = trained(FleetRun([trial], run.prepared)).engine
        assert torch.equal(alone.parameters.values[0], together.parameters.values[row])
    assert len(torch.unique(together.parameters.values, dim=0)) == 6


@KINDS
def test_the_bits_are_the_same_in_any_fleet_and_fold(embedding: dict[str, Any]) -> None:
    (run,) = fleets(
        **job(embedding, split={"folds": 3, "seed": 1}, dataset={"builtin": "circle", "rows": 360})
    )
    together = trained(run).engine
    for row, trial in enumerate(run.trials):
        alone = trained(FleetRun([trial], run.prepared)).engine
        assert torch.equal(alone.parameters.values[0], together.parameters.values[row])
        for name, tensor in alone.buffers().items():
            assert torch.equal(tensor[0], together.buffers()[name][row])


def test_sigma_scales_the_first_frequencies_and_nothing_else() -> None:
    one, other = (
        fleet(**job({**PERIODIC, "sigma": sigma})).engine.network.state_dict()
        for sigma in (0.2, 0.4)
    )
    for name, tensor in one.items():
        factor = 2.0 if name == "embedding.frequencies" else 1.0
        assert torch.equal(factor * tensor, other[name])
    many = fleet(**job({**PERIODIC, "frequencies": 400})).engine.network.state_dict()
    assert many["embedding.frequencies"].std().item() == pytest.approx(0.2, rel=0.05)


@KINDS
def test_a_run_goes_on_where_it_was_interrupted(embedding: dict[str, Any]) -> None:
    body = job(embedding)
    whole = trained(fleet(**body)).result().dump()
    first, asked = fleet(**body), iter([False] * 5)
    for _ in first.epochs(lambda: next(asked, True)):
        pass
    assert first.interrupted
    second = fleet(**body)
    second.restore(first.state())
    assert trained(second).result().dump() == whole


@pytest.mark.parametrize("kind", ["mlp", "residual_mlp"])
@KINDS
def test_a_loaded_model_has_its_certificate(embedding: dict[str, Any], kind: str) -> None:
    size = {"hidden": [12]} if kind == "mlp" else {"width": 12, "blocks": 1}
    network = {"kind": kind, **size, "embedding": embedding}
    techniques = {"snapshot_ensemble": {"members": 2}, "batch_norm": {}}
    run = trained(fleet(**job(embedding, network=network, regularization=techniques)))
    model = TrainedModel.load(run.result().dump(), 0)
    assert certify(model).passed
    rows = run.prepared.x[0]
    expected = model.scores(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(model.forward(rows), expected, rtol=1e-4, atol=1e-4)


def test_penalties_act_on_the_weights_of_an_embedding_alone() -> None:
    engine = fleet(**job(PERIODIC)).engine
    columns = {name: columns for name, (columns, _) in engine.parameters.slices.items()}
    weight, every = (
        engine.parameters.index.chosen(biases=biases, layers=None) for biases in (False, True)
    )
    assert weight[columns["embedding.weight"]].all()
    assert not weight[columns["embedding.bias"]].any()
    assert every[columns["embedding.bias"]].all()
    assert not every[columns["embedding.frequencies"]].any()
