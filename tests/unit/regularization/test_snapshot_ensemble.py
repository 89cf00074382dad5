from typing import Any

import pytest
import torch

from tests.fleets import trained
from tests.weights import equals_fleet_of_one, path, served, small_fleet
from worker.models import TrainedModel, certify, mean_scores
from worker.regularization import SnapshotEnsemble
from worker.spec import Trial
from worker.training.schedules import learning_rate, snapshot_slot

THREE: dict[str, Any] = {"snapshot_ensemble": {"members": 3}}
SIX = {"epochs": 6, "optimizer": {"kind": "adam", "learning_rate": 0.05}}


def test_members_are_the_ends_of_the_cycles() -> None:
    run = small_fleet(THREE, training=SIX)
    steps = run.engine.batches
    ends = [w[0] for number, w in enumerate(path(run), 1) if number % (2 * steps) == 0]
    members = served(trained(small_fleet(THREE, training=SIX)).result(), 0)
    for number, end in enumerate(ends):
        flat = [t[number].flatten() for n, t in members.items() if n.startswith("members.weights.")]
        assert torch.equal(torch.cat(flat), end)


def test_the_learning_rate_falls_in_every_cycle() -> None:
    """Six epochs, three cycles of two: η, η / 2, and again."""
    (trial,) = small_fleet(THREE, training=SIX).trials
    rates = [learning_rate(trial, epoch) for epoch in range(6)]
    assert rates == pytest.approx([0.05, 0.025] * 3)


def test_restarts_of_the_schedule_are_its_cycles() -> None:
    """T₀ = 1, doubled: cycles of 1, 2 and 4 epochs; two members are the ends of the last two."""
    schedule = {"kind": "cosine", "first_period": 1}
    training = {**SIX, "epochs": 7, "schedule": schedule}
    (trial,) = small_fleet({"snapshot_ensemble": {"members": 2}}, training=training).trials
    slots = [snapshot_slot(trial.training.schedule, 2, epoch, 7) for epoch in range(7)]
    assert slots == [0, 0, 0, 1, 1, 1, 1]
    plain: Trial = small_fleet({}, training=training).trials[0]
    rates = [[learning_rate(t, epoch) for epoch in range(7)] for t in (trial, plain)]
    assert rates[0] == rates[1]


@pytest.mark.parametrize("builtin", ["circle", "iris", "diabetes"])
def test_it_predicts_the_mean_of_its_members(builtin: str) -> None:
    """Through the serving path: probabilities (values in a regression) are averaged."""
    run = trained(small_fleet({}, THREE, dataset={"builtin": builtin, "rows": 120}, training=SIX))
    data = run.result().dump()
    model = TrainedModel.load(data, 1)
    features = model.probe_features[0]
    scores = model.network(features.expand(3, *features.shape))
    answers = model.answer(features.numpy())
    if builtin == "circle":
        found = torch.from_numpy(answers.probabilities)[:, 1]
        torch.testing.assert_close(found, scores[..., 0].sigmoid().mean(0))
    elif builtin == "iris":
        found = torch.from_numpy(answers.probabilities)
        torch.testing.assert_close(found, scores.softmax(-1).mean(0))
    else:
        expected = scores[..., 0].mean(0).double() * model.target_scale + model.target_center
        torch.testing.assert_close(torch.from_numpy(answers.values), expected)
    assert model.members == 3
    assert certify(model).passed
    single = TrainedModel.load(data, 0)
    assert single.members == 1
    assert certify(single).passed


def test_metrics_are_those_of_the_ensemble() -> None:
    """The measured loss is −log of the mean probability; the last epoch reports the same."""
    run = small_fleet(THREE, {}, training=SIX)
    last = list(run.epochs())[-1]
    model = TrainedModel.load(run.result().dump(), 0)
    data = run.engine.data
    rows = data.parts["validation"][0]
    answers = model.answer(data.x[rows].numpy())
    p = torch.from_numpy(answers.probabilities).gather(1, data.y[rows].long()[:, None])
    expected = float(-p.log().mean())
    assert run.results()[0].metrics["validation_loss"] == pytest.approx(expected, rel=1e-5)
    assert last.metrics["validation_loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_mean_is_taken_without_overflow(outputs: int) -> None:
    """Members that are sure of themselves give finite scores; ones not yet taken no part."""
    scores = torch.randn(2, 3, 4, outputs) * 3
    scores[0, 0] *= 100
    task = "binary" if outputs == 1 else "multiclass"
    found = mean_scores(task, scores, torch.tensor([3, 2]))  # type: ignore[arg-type]
    assert found.isfinite().all()
    squash = torch.sigmoid if outputs == 1 else lambda s: s.softmax(-1)
    torch.testing.assert_close(squash(found[0]), squash(scores[0]).mean(0))
    torch.testing.assert_close(squash(found[1]), squash(scores[1, :2]).mean(0))


def test_a_trial_that_stops_early_keeps_the_members_it_has() -> None:
    both = {**THREE, "early_stopping": {"patience": 1, "min_delta": 1e3}}
    run = trained(small_fleet(both, THREE, training=SIX))
    assert run.outcomes[0].epochs == 2
    assert run.result().manifest.members == [1, 3]
    assert certify(TrainedModel.load(run.result().dump(), 0)).passed


def test_ensembles_of_a_mixed_fleet_are_those_of_fleets_of_one() -> None:
    """By SGD: under Adam a bias before batch norm follows the rounding of its zero gradient."""
    equals_fleet_of_one(
        {"snapshot_ensemble": {"members": 2}, "ema": {"decay": 0.8}},
        {**THREE, "batch_norm": {}, "ema": {"decay": 0.8}},
        {"snapshot_ensemble": {"members": 5}, "batch_norm": {}},
        {},
        training={**SIX, "optimizer": {"kind": "sgd", "learning_rate": 0.2}},
    )


def test_members_are_bounded() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        SnapshotEnsemble(members=1)
