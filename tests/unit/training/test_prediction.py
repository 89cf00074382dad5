"""Prediction: eval mode, the same bits every time, and a certificate that can fail."""

import pytest
import torch
from safetensors.torch import load, save

from tests.fleets import ADAM, fleet, trained
from worker.errors import DataError, ModelError
from worker.models import TrainedModel, certify
from worker.regularization import Regularization

POINTS = [{"x1": 0.1, "x2": 0.2}, {"x1": -1.9, "x2": 1.9}, {"x1": None, "x2": 1.5}]


@pytest.fixture(scope="module")
def result() -> bytes:
    """A model trained with dropout, noise and batch normalization, as it is stored."""
    techniques = {"dropout": {"p": 0.5, "input_p": 0.1}, "noise": {"input": 0.1}, "batch_norm": {}}
    run = fleet(regularization=techniques, training={**ADAM, "epochs": 5}, repeats=2)
    return trained(run).result().dump()


def test_twice_is_bit_identical(result: bytes) -> None:
    """Nothing is random at inference."""
    model = TrainedModel.load(result, 0)
    assert model.predict_records(POINTS) == model.predict_records(POINTS)


def test_dropout_layers_make_no_difference(result: bytes) -> None:
    """The network built without its dropout and noise layers answers the same bits."""
    model = TrainedModel.load(result, 1)
    from worker.networks import build_network

    bare = Regularization(batch_norm=model.trial.regularization.batch_norm)
    network = build_network(model.trial.network, (2,), 1, [bare])
    network.load_state_dict(model.network.state_dict())
    network.eval()
    features = model.probe_features
    assert torch.equal(network(features), model.network(features))


def test_certificate_passes(result: bytes) -> None:
    """A model that loads as it was trained."""
    certificate = certify(TrainedModel.load(result, 0))
    assert certificate.passed, certificate


def test_certificate_sees_training_mode(result: bytes) -> None:
    """One module left in training mode is enough."""
    model = TrainedModel.load(result, 0)
    model.network.train()
    failed = {check.name for check in certify(model).checks if not check.passed}
    assert "eval_mode" in failed
    assert "deterministic" in failed


def test_certificate_sees_changed_weights(result: bytes) -> None:
    """Weights that are not those of the end of training."""
    tensors = load(result)
    tensors["weights.layers.0.weight"][0] += 0.1
    failed = {c.name for c in certify(TrainedModel.load(save(tensors), 0)).checks if not c.passed}
    assert failed == {"as_trained"}


def test_positions_are_trials(result: bytes) -> None:
    """Each trial of the fleet is a model of its own."""
    first, second = (TrainedModel.load(result, k).predict_records(POINTS) for k in (0, 1))
    assert first != second
    with pytest.raises(ModelError, match="no trial 2"):
        TrainedModel.load(result, 2)


def test_broken_file_is_an_error(result: bytes) -> None:
    """Truncated or not a model at all."""
    for data in (result[:-100], b"", b"{}"):
        with pytest.raises(ModelError):
            TrainedModel.load(data, 0)


def test_wrong_records_name_the_field(result: bytes) -> None:
    """The instance and the column are in the error."""
    model = TrainedModel.load(result, 0)
    with pytest.raises(DataError) as caught:
        model.predict_records([{"x1": 1.0, "x2": 0.5}, {"x1": "high", "x2": 0.5}])
    assert caught.value.param == "instances.1.x1"


def test_regression_answers_in_its_own_unit() -> None:
    """A standardized target comes back in its unit."""
    job = {"dataset": {"builtin": "diabetes"}, "training": {**ADAM, "epochs": 10}}
    run = trained(fleet(**job, split={"validation": 0.2}))
    model = TrainedModel.load(run.result().dump(), 0)
    values = model.answer(model.probe_features[0].numpy()).values
    assert values is not None
    assert 20 < values.mean() < 350
    assert (run.results()[0].metrics["validation_rmse"] or 1e9) < 80
