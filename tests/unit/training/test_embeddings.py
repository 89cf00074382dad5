"""Networks with embeddings, trained: by hand and by autograd, alone and in company, killed."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from tests.exported import ORIGIN, mixed_table, model_of
from tests.fleets import fleet, fleets, trained
from worker.data import Outline, load_builtin
from worker.models import TrainedModel, certify
from worker.models.export import export
from worker.networks.mlp import Mlp
from worker.search import Search, resolve_search
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun
from worker.training.sparsity import reports

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


def test_a_column_is_used_if_its_embedding_is() -> None:
    """Column 1 has no weights, and of column 2 no unit leads on."""
    run = fleet(**job(PERIODIC))
    engine = run.engine
    weights = engine.network.state_dict()
    with torch.no_grad():
        weights["embedding.weight"][0, 1] = 0
        weights["layers.0.weight"][0, 2 * 3 : 3 * 3] = 0
    (report,) = reports(engine, run.prepared, [0.0])
    assert report is not None
    assert report.features is not None
    assert report.features.unused == list(run.prepared.features[1:3])
    assert [layer.name for layer in report.layers][:2] == ["embedding", "layers.0"]
    assert report.layers[0].zeros == 5 * 2 * 3
    assert report.dead_units == 0


@pytest.mark.parametrize("embedding", [PERIODIC, TREE])
def test_the_group_lasso_takes_an_embedded_column_as_one_group(embedding: dict[str, Any]) -> None:
    """One entry of column 1 is large: the group stays, but for column 2, where all are small."""
    lasso = {"group_lasso": {"strength": 0.01, "method": "proximal"}}
    engine = fleet(**job(embedding, regularization=lasso)).engine
    weight = engine.network.state_dict()["embedding.weight"][0]
    with torch.no_grad():
        weight[1:3] = 1e-4
        weight[1, 0, 0] = 1.0
        engine.penalties.shrink(engine.parameters.values, 1.0)
    size, norm = weight[0].numel(), 1 + (weight[0].numel() - 1) * 1e-8
    assert (weight[2] == 0).all()
    assert (weight[[0, 1]] != 0).all()
    expected = 1 - 0.01 * (size / norm) ** 0.5
    assert weight[1, 0, 0].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("to", ["safetensors", "onnx", pytest.param("pt2", marks=pytest.mark.slow)])
def test_an_export_is_checked_against_the_service(to: Any) -> None:
    network = {"kind": "mlp", "hidden": [5], "embedding": PERIODIC}
    data, _ = model_of(mixed_table("multiclass"), network=network)
    assert export(data, ORIGIN, to)


def test_a_search_over_sigma_is_one_fleet_and_kinds_are_drawn_with_what_they_have() -> None:
    space = {
        "network.embedding": {"values": [None, PERIODIC, {"kind": "piecewise_linear", "bins": 4}]},
        "network.embedding.sigma": {"low": 0.01, "high": 1.0, "log": True},
    }
    for method in ("random", "tpe"):
        body = job(None, search={"method": method, "trials": 24, "space": space})
        spec = JobSpec.model_validate({**body, "regularization": {}})
        table, target = load_builtin(Builtin(builtin="wine"))
        outline = Outline.of(table, spec, target)
        wave = Search(resolve_search(spec, outline), outline).wave(0)
        assert wave is not None
        by_kind = Counter(
            None if trial.network.embeds is None else trial.network.embeds.kind
            for planned in wave.plans
            for trial in planned.trials
        )
        assert set(by_kind) == {None, "periodic", "piecewise_linear"}
        assert len(wave.plans) == 3
        drawn = [o for planned in wave.plans for o in planned.overrides or ()]
        with_sigma = [o for o in drawn if "network.embedding.sigma" in o]
        assert len(with_sigma) == by_kind["periodic"]
        assert all(o["network.embedding"]["kind"] == "periodic" for o in with_sigma)
        assert len({o["network.embedding.sigma"] for o in with_sigma}) > 3
