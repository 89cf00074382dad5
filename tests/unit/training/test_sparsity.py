"""What is left of trained networks: zeros, dead units, unused columns, pruning curves."""

from typing import Any

import pytest
import torch

from tests.fleets import fleet, trained
from worker.results.sparsity import NetworkReport
from worker.results.trial import TrialResult
from worker.training import FleetRun, pruning
from worker.training.engine import Engine
from worker.training.sparsity import reports

BRIEF = {"epochs": 2, "batch_size": 64}


def final(**job: Any) -> tuple[FleetRun, Engine]:
    run = trained(fleet(**{"training": BRIEF, **job}))
    return run, run.final_engine()


def told(run: FleetRun, engine: Engine) -> list[NetworkReport]:
    found = reports(engine, run.prepared, [float(k) for k in range(len(engine.trials))])
    assert all(report is not None for report in found)
    return [report for report in found if report is not None]


def weight(engine: Engine, layer: int) -> torch.Tensor:
    return engine.parameters.index.matrices[layer].of(engine.parameters.values)


def test_proximal_l1_removes_most_weights_and_the_subgradient_none() -> None:
    """The circle problem, λ = .01 under SGD: what the textbook form promises only one form does."""
    l1 = {"strength": 0.01}
    run = fleet(
        compare=[
            {"name": "proximal", "regularization": {"l1": {**l1, "method": "proximal"}}},
            {"name": "subgradient", "regularization": {"l1": l1}},
        ],
        training={"epochs": 50, "optimizer": {"kind": "sgd", "learning_rate": 0.1}},
    )
    results: list[TrialResult] = trained(run).results()
    proximal, subgradient = [result.report for result in results]
    assert proximal is not None
    assert subgradient is not None
    assert proximal.sparsity > 0.9
    assert proximal.sparsity == pytest.approx(results[0].metrics["sparsity"])
    assert subgradient.zeros == 0
    assert subgradient.dead_units == 0


def test_counts_are_of_each_trial_and_layer() -> None:
    run, engine = final(repeats=2, network={"kind": "mlp", "hidden": [4, 3]})
    weight(engine, 1)[1, 0, :2] = 0
    none, some = told(run, engine)
    assert [layer.zeros for layer in none.layers] == [0, 0, 0]
    assert [layer.zeros for layer in some.layers] == [0, 2, 0]
    assert (some.weights, some.zeros, some.sparsity) == (2 * 4 + 4 * 3 + 3, 2, 2 / 23)
    for number, layer in enumerate(some.layers):
        block = weight(engine, number)[1]
        assert layer.norm == pytest.approx(float(block.norm()), rel=1e-5)
        assert layer.largest == pytest.approx(float(block.abs().max()), rel=1e-5)


def test_a_unit_is_dead_without_a_way_in_or_a_way_out_through_others_too() -> None:
    run, engine = final(network={"kind": "mlp", "hidden": [4, 3]})
    weight(engine, 0)[0, :, 0] = 0  # unit 0 of layer 0 has no way in
    weight(engine, 1)[0, 1, :] = 0  # unit 1 of layer 0 has no way out
    weight(engine, 1)[0, 1:, 2] = 0  # unit 2 of layer 1 hears only of the dead unit 0
    weight(engine, 2)[0, 1, 0] = 0  # unit 1 of layer 1 has no way out
    (report,) = told(run, engine)
    first, second, output = report.layers
    assert (first.units, first.dead, first.no_way_in, first.no_way_out) == (4, 2, 1, 1)
    assert (second.units, second.dead, second.no_way_in, second.no_way_out) == (3, 2, 1, 1)
    assert output.units is None
    assert (report.units, report.dead_units) == (7, 4)


def test_a_dead_unit_may_be_removed_without_changing_an_answer() -> None:
    run, engine = final(network={"kind": "mlp", "hidden": [4, 3]})
    weight(engine, 0)[0, :, 0] = 0
    weight(engine, 1)[0, 1, :] = 0
    engine.network.eval()
    x = torch.from_numpy(run.prepared.x[:, :20])
    before = engine.answer(x)
    noise = torch.randn(2, generator=torch.Generator().manual_seed(0))
    weight(engine, 0)[0, :, 1] += noise  # into the unit without a way out
    assert torch.equal(engine.answer(x), before)


def test_columns_are_unused_where_every_weight_is_zero_or_leads_nowhere() -> None:
    run, engine = final(network={"kind": "mlp", "hidden": [4]}, dataset={"builtin": "iris"})
    weight(engine, 0)[0, 0] = 0
    weight(engine, 0)[0, 1, 1:] = 0
    weight(engine, 1)[0, 0] = 0  # the only unit that column 1 still reaches
    (report,) = told(run, engine)
    features, names = report.features, list(run.prepared.features)
    assert features.unused == names[:2]
    assert features.used == names[2:]
    assert (features.columns, features.columns_unused) == (4, 2)


def test_linear_networks_have_columns_and_no_units() -> None:
    run, engine = final(network={"kind": "linear"}, dataset={"builtin": "iris"})
    weight(engine, 0)[0, 2] = 0
    (report,) = told(run, engine)
    assert report.features.unused == [run.prepared.features[2]]
    assert (report.units, report.dead_units) == (0, 0)


def test_a_residual_network_has_zeros_and_columns() -> None:
    network = {"kind": "residual_mlp", "width": 6, "blocks": 1}
    run, engine = final(network=network, dataset={"builtin": "iris"})
    weight(engine, 0)[0, 3] = 0
    (report,) = told(run, engine)
    assert report.layers[0].zeros == 6
    assert report.features.unused == [run.prepared.features[3]]
    assert report.dead_units is None


def test_a_map_is_a_unit_and_images_have_no_columns() -> None:
    network = {"kind": "cnn", "channels": [3, 2], "hidden": [5], "pool": 2}
    run, engine = final(shape=(1, 8, 8), network=network, dataset={"builtin": "digits"})
    values = engine.parameters.named(engine.parameters.values)
    assert values["layers.0.weight"].shape == (1, 3, 1, 3, 3)
    weight(engine, 0)[0, :, ..., 0] = 0  # map 0 of the first convolution has no way in
    weight(engine, 2)[0, :4] = 0  # the 2×2 places of map 0 of the second have no way out
    (report,) = told(run, engine)
    assert [layer.no_way_in for layer in report.layers] == [1, 0, 0, None]
    assert [layer.no_way_out for layer in report.layers] == [0, 1, 0, None]
    assert report.features is None


def test_the_curve_prunes_by_magnitude_and_leaves_the_weights_as_they_were() -> None:
    run, engine = final(repeats=2, regularization={"batch_norm": {}})
    before = engine.parameters.values.clone()
    metrics = engine.measure()
    for trial, report in enumerate(told(run, engine)):
        curve = report.pruning
        sizes = before[trial, engine.parameters.index.weight].abs()
        assert curve.part == "validation"
        assert curve.thresholds == list(pruning.THRESHOLDS)
        expected = [float((sizes < t).double().mean()) for t in pruning.THRESHOLDS]
        assert curve.sparsity == pytest.approx(expected, rel=1e-5)
        assert curve.loss[0] == pytest.approx(float(metrics["validation_loss"][trial]), rel=1e-5)
        assert curve.accuracy[0] == pytest.approx(float(metrics["validation_accuracy"][trial]))
        assert len(set(curve.loss)) > 1
    assert torch.equal(engine.parameters.values, before)


def test_only_the_best_trials_have_a_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    run, engine = final(repeats=4)
    all_of_them = told(run, engine)
    monkeypatch.setattr(pruning, "MOST_TRIALS", 2)
    found = reports(engine, run.prepared, [0.4, 0.1, None, 0.2])
    assert found[2] is None
    curves = [None if report is None else report.pruning for report in found]
    assert [curve is not None for curve in curves] == [False, True, False, True]
    for trial in (1, 3):
        assert curves[trial].loss == pytest.approx(all_of_them[trial].pruning.loss)


def test_a_regression_is_measured_by_rmse_on_a_bounded_number_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pruning, "MOST_ROWS", 20)
    run, engine = final(dataset={"builtin": "diabetes"}, split={"validation": 0, "test": 0})
    (report,) = told(run, engine)
    curve = report.pruning
    assert (curve.part, curve.rows) == ("train", 20)
    assert len(curve.rmse) == len(curve.r2) == len(pruning.THRESHOLDS)
    assert curve.accuracy is None


def test_an_ensembles_weight_is_zero_where_all_members_are() -> None:
    run, engine = final(
        network={"kind": "mlp", "hidden": [4]},
        training={"epochs": 4},
        compare=[
            {"name": "one", "regularization": {}},
            {"name": "two", "regularization": {"snapshot_ensemble": {"members": 2}}},
        ],
    )
    members = engine.snapshots.tensors["members.weights"]  # [K, M, P]
    members[1, 0, :3] = 0
    members[1, 1, 1:4] = 0
    engine.snapshots.load()
    one, two = told(run, engine)
    assert (one.zeros, two.zeros) == (0, 2)
    assert two.pruning.sparsity[0] == pytest.approx(2 / two.weights, rel=1e-5)
    assert two.pruning.sparsity[-1] > two.pruning.sparsity[0]
    assert two.pruning.loss[0] == pytest.approx(
        float(engine.measure()["validation_loss"][1]), rel=1e-5
    )
