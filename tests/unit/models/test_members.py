"""How far the networks of an ensemble differ, held against NumPy by hand."""

from typing import Any

import numpy as np
import pytest
from scipy.special import entr, softmax

from tests.contending import trained as contending
from tests.fleets import trained
from tests.weights import small_fleet
from worker.errors import SpecError
from worker.models import AnswerSettings, EnsembleMember, TrainedModel, join_members

MEMBERS = AnswerSettings(members=True)


def snapshots(builtin: str, **training: Any) -> TrainedModel:
    fleet = small_fleet(
        {"snapshot_ensemble": {"members": 3}},
        dataset={"builtin": builtin},
        training={"epochs": 6, **training},
    )
    return TrainedModel.load(trained(fleet).result().dump(), 0)


def joined(builtin: str) -> TrainedModel:
    """Networks of two structures with shares of 1/2, 1/3 and 1/6."""
    compare = [
        {"name": "none", "regularization": {}},
        {"name": "norm", "regularization": {"layer_norm": {}}},
        {"name": "wide", "network": {"kind": "mlp", "hidden": [7]}},
    ]
    _, contenders = contending(
        dataset={"builtin": builtin},
        split={"validation": 0.2},
        network={"kind": "mlp", "hidden": [6, 5]},
        training={"epochs": 2},
        compare=compare,
    )
    found = [
        EnsembleMember.of(one.trials[0].file, one.trials[0].position, weight=weight)
        for one, weight in zip(contenders, (3.0, 2.0, 1.0), strict=True)
    ]
    return TrainedModel.of_ensemble(join_members(found))


@pytest.mark.parametrize("made", [snapshots, joined])
def test_of_classes(made: Any) -> None:
    model = made("iris")
    x = model.probe_features[0].numpy()
    scores = model.forward(x)
    found = model.answer_scores(x, scores, MEMBERS)
    plain = model.read_scores(scores)
    assert (found.probabilities == plain.probabilities).all()
    assert (found.best == plain.best).all()
    each = softmax(model.member_scores(x).astype(float), axis=2)
    w = np.array(model.weights) if model.weights else np.full(3, 1 / 3)
    mean = np.tensordot(w, each, axes=1)
    variance = np.tensordot(w, (each - mean) ** 2, axes=1) / (1 - (w**2).sum())
    entropy = entr(mean).sum(axis=1)
    shared = entropy - w @ entr(each).sum(axis=2)
    assert found.further["deviation"] == pytest.approx(np.sqrt(variance), abs=1e-5)
    assert found.further["entropy"] == pytest.approx(entropy, abs=1e-5)
    assert found.further["mutual_information"] == pytest.approx(shared, abs=1e-5)
    if not model.weights:
        assert found.further["deviation"] == pytest.approx(each.std(axis=0, ddof=1), abs=1e-5)


@pytest.mark.parametrize("made", [snapshots, joined])
def test_of_values_a_row_has_the_same_bits_alone_and_in_any_batch(made: Any) -> None:
    model = made("diabetes")
    x = np.resize(model.probe_features[0].numpy(), (21, model.encoder.shape[0]))
    found = model.answer_scores(x, model.forward(x), MEMBERS)
    each = model.member_scores(x)[:, :, 0].astype(float) * model.target_scale
    w = np.array(model.weights) if model.weights else np.full(3, 1 / 3)
    variance = w @ (each - w @ each) ** 2 / (1 - (w**2).sum())
    assert found.further["deviation"] == pytest.approx(np.sqrt(variance), rel=1e-4)
    for row in (0, 6, 20):
        one = x[row : row + 1]
        alone = model.answer_scores(one, model.forward(one), MEMBERS)
        assert alone.further["deviation"][0] == found.further["deviation"][row]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (AnswerSettings(members=True), "single network"),
        (AnswerSettings(calibrated=True), "nothing of such rows"),
        (AnswerSettings(coverage=0.9), "nothing of such rows"),
        (AnswerSettings(coverage=0.9, mc_samples=3), "together with mc_samples"),
        (AnswerSettings(calibrated=True, mc_samples=3), "together with mc_samples"),
        (AnswerSettings(calibrated=True, members=True), "together with members"),
    ],
)
def test_what_a_model_cannot_answer_is_refused(settings: AnswerSettings, says: str) -> None:
    fleet = small_fleet(
        {"dropout": {"p": 0.2}}, dataset={"builtin": "iris"}, training={"epochs": 1}
    )
    model = TrainedModel.load(trained(fleet).result().dump(), 0)
    with pytest.raises(SpecError, match=says):
        model.answerable.check(settings)
