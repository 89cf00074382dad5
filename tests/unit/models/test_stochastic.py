"""Monte Carlo dropout: the spread of a linear network's answers is known in closed form."""

import numpy as np
import pytest
import torch

from tests.fleets import trained
from tests.weights import small_fleet
from worker.errors import SpecError
from worker.models import AnswerSettings, TrainedModel


def model(regularization: dict[str, object], builtin: str, **network: object) -> TrainedModel:
    run = trained(
        small_fleet(
            regularization,
            dataset={"builtin": builtin, "rows": 120},
            training={"epochs": 6},
            **({"network": network} if network else {}),
        )
    )
    return TrainedModel.load(run.result().dump(), 0)


def test_a_linear_network_has_the_mean_and_variance_of_the_closed_form() -> None:
    """Of Σ w x M / (1 − p): mean w·x, variance Σ w² x² p / (1 − p)."""
    p, samples = 0.25, 300
    linear = model({"dropout": {"p": 0.0, "input_p": p}}, "diabetes", kind="linear")
    x = linear.probe_features[0].numpy()
    (weight,) = [w for n, w in linear.network.named_parameters() if n.endswith("weight")]
    w = weight.numpy()[0, :, 0].astype(np.float64) * linear.target_scale
    plain = linear.answer(x).values
    found = linear.sample(x, AnswerSettings(mc_samples=samples, seed=1))
    deviation = np.sqrt(((w * x) ** 2).sum(1) * p / (1 - p))
    assert found.values is not None
    assert plain is not None
    assert (np.abs(found.values - plain) < 4 * deviation / np.sqrt(samples)).all()
    assert found.further["deviation"] == pytest.approx(deviation, rel=4 / np.sqrt(2 * samples))


@pytest.mark.parametrize(
    "regularization",
    [
        {"dropout": {"p": 0.4}},
        {"drop_connect": {"p": 0.4}},
        {"dropout": {"p": 0.3}, "batch_norm": {}, "noise": {"input": 0.3}},
        {"dropout": {"p": 0.3}, "snapshot_ensemble": {"members": 3}},
    ],
)
@pytest.mark.parametrize(
    "embedding", [None, "periodic", pytest.param("piecewise_linear", marks=pytest.mark.slow)]
)
def test_a_row_has_the_same_bits_alone_and_in_any_batch(
    regularization: dict[str, object], embedding: str | None
) -> None:
    embedded = {"embedding": {"kind": embedding}} if embedding else {}
    one = model(regularization, "iris", kind="mlp", hidden=[8, 6], **embedded)
    x = np.resize(one.probe_features[0].numpy(), (77, 4))
    settings = AnswerSettings(mc_samples=7, seed=3)
    together = one.sample(x, settings)
    assert together.probabilities is not None
    for row in (0, 5, 76):
        alone = one.sample(x[row : row + 1], settings)
        assert alone.probabilities is not None
        assert (alone.probabilities[0] == together.probabilities[row]).all()
        for name, column in alone.further.items():
            assert (column[0] == together.further[name][row]).all(), name
    other = one.sample(x, AnswerSettings(mc_samples=7, seed=4))
    assert (other.further["deviation"] != together.further["deviation"]).any()
    assert (one.answer(x).probabilities == one.answer(x).probabilities).all()
    assert not any(module.training for module in one.network.modules())


def test_what_the_samples_disagree_in_is_part_of_the_entropy() -> None:
    one = model({"dropout": {"p": 0.5}}, "iris")
    x = one.probe_features[0].numpy()
    found = one.sample(x, AnswerSettings(mc_samples=50))
    entropy, shared = found.further["entropy"], found.further["mutual_information"]
    p = found.probabilities
    assert p is not None
    expected = torch.special.entr(torch.from_numpy(p).double()).sum(1).numpy()
    assert entropy == pytest.approx(expected, abs=1e-6)
    assert ((shared > 0) & (shared < entropy)).all()
    row = next(found.rows())
    assert set(row["deviation"]) == set(one.target.classes)


def test_without_dropout_there_is_nothing_to_sample() -> None:
    with pytest.raises(SpecError, match="without dropout"):
        model({"l2": {"strength": 0.01}}, "iris").sample(
            np.zeros((1, 4), dtype=np.float32), AnswerSettings(mc_samples=3)
        )
