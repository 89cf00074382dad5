"""Dropouts and normalizations: where they act, how strongly, beside each other."""

from typing import Any

import pytest

from tests.findings import CNN, LINEAR, ONE_LAYER, SELU, found, outlined, silent
from worker.errors import SpecError
from worker.search import plan
from worker.spec import JobSpec

IMAGES = {"shape": (3, 16, 16)}


def test_heavy_dropout_with_batch_norm() -> None:
    both = {"batch_norm": {}, "dropout": {"p": 0.3}}
    finding = found("heavy_dropout_with_batch_norm", regularization=both)
    assert finding.severity == "warning"
    assert finding.field == "regularization.dropout.p"
    assert finding.evidence == {"p": 0.3, "input_p": 0.0, "before": [0]}
    assert silent("dropout_before_batch_norm", regularization=both)
    alone = found("heavy_dropout_with_batch_norm", regularization=both, network=ONE_LAYER)
    assert (alone.severity, alone.evidence["before"]) == ("info", [])


@pytest.mark.parametrize(
    "techniques",
    [
        {"batch_norm": {}, "dropout": {"p": 0.29}},
        {"layer_norm": {}, "dropout": {"p": 0.5}},
        {"dropout": {"p": 0.5}},
    ],
)
def test_dropout_that_is_not_heavy_beside_batch_norm(techniques: dict[str, Any]) -> None:
    assert silent("heavy_dropout_with_batch_norm", regularization=techniques)


@pytest.mark.parametrize(
    ("job", "before"),
    [
        ({"regularization": {"batch_norm": {}, "dropout": {"p": 0.2}}}, [0]),
        ({"regularization": {"batch_norm": {}, "dropout": {"p": 0.0, "input_p": 0.1}}}, []),
        (
            {
                "network": {"kind": "residual_mlp", "width": 8, "blocks": 2},
                "regularization": {"batch_norm": {}, "dropout": {"p": 0.2}},
            },
            [0, 1],
        ),
    ],
)
def test_dropout_before_batch_norm(job: dict[str, Any], before: list[int]) -> None:
    finding = found("dropout_before_batch_norm", **job)
    assert (finding.severity, finding.evidence["before"]) == ("info", before)


@pytest.mark.parametrize(
    "job",
    [
        {"regularization": {"batch_norm": {}, "dropout": {"p": [0.0, 0.2]}}},
        {"regularization": {"batch_norm": {}, "dropout": {"p": 0.2}}, "network": ONE_LAYER},
        {"regularization": {"layer_norm": {}, "dropout": {"p": 0.2}}},
    ],
)
def test_dropout_after_the_last_batch_norm(job: dict[str, Any]) -> None:
    """Within a layer the order cannot be wrong; only the norm of a later layer comes after."""
    assert silent("dropout_before_batch_norm", **job)


def test_alpha_dropout_without_selu() -> None:
    finding = found("alpha_dropout_without_selu", regularization={"alpha_dropout": {}})
    assert finding.evidence == {"activation": "relu"}
    assert silent("alpha_dropout_without_selu", regularization={"alpha_dropout": {}}, network=SELU)
    assert silent("alpha_dropout_without_selu", regularization={"dropout": {}})


def test_dropout_with_selu() -> None:
    finding = found("dropout_with_selu", regularization={"dropout": {"p": 0.5}}, network=SELU)
    assert finding.evidence == {"p": 0.5, "variance": 2.0}
    assert silent("dropout_with_selu", regularization={"dropout": {"p": 0.5}})
    assert silent("dropout_with_selu", regularization={"dropout": {"p": 0.0}}, network=SELU)
    assert silent("dropout_with_selu", regularization={"alpha_dropout": {}}, network=SELU)


@pytest.mark.parametrize(
    ("name", "p"),
    [
        ("dropout", 0.6),
        ("dropout", 0.05),
        ("dropout", [0.2, 0.8]),
        ("alpha_dropout", 0.5),
        ("drop_connect", 0.7),
    ],
)
def test_an_unusual_p(name: str, p: Any) -> None:
    finding = found("dropout_out_of_range", regularization={name: {"p": p}})
    assert finding.field == f"regularization.{name}.p"
    assert finding.evidence["p"] == (p[1] if isinstance(p, list) else p)


@pytest.mark.parametrize(
    ("name", "p"),
    [
        ("dropout", 0.1),
        ("dropout", 0.5),
        ("dropout", 0.0),
        ("dropout", [0.0, 0.5]),
        ("alpha_dropout", 0.05),
    ],
)
def test_a_usual_p(name: str, p: Any) -> None:
    assert silent("dropout_out_of_range", regularization={name: {"p": p}})


def test_an_unusual_p_at_the_input() -> None:
    finding = found("dropout_out_of_range", regularization={"dropout": {"input_p": 0.5}})
    assert finding.field == "regularization.dropout.input_p"
    assert finding.evidence == {"p": 0.5, "usual": [0.1, 0.3]}
    assert silent("dropout_out_of_range", regularization={"dropout": {"input_p": 0.3}})


def test_dropping_at_the_output() -> None:
    finding = found("dropout_on_output", regularization={"drop_connect": {"layers": [1, 2]}})
    assert finding.evidence == {"layers": [1, 2], "output": 2, "p": 0.5}
    assert silent("dropout_on_output", regularization={"drop_connect": {"layers": [0, 1]}})
    assert silent("dropout_on_output", regularization={"drop_connect": {}})
    only = {"regularization": {"drop_connect": {}}, "network": LINEAR}
    assert silent("dropout_on_output", **only)


def test_dropout_without_hidden_layers() -> None:
    found("dropout_without_effect", regularization={"dropout": {}}, network=LINEAR)
    techniques = {"dropout": {"input_p": 0.2}}
    assert silent("dropout_without_effect", regularization=techniques, network=LINEAR)
    assert silent("dropout_without_effect", regularization={"dropout": {}})


def test_spatial_dropout_without_feature_maps_is_an_error_not_advice() -> None:
    body = {"dataset": {"builtin": "circle"}, "regularization": {"spatial_dropout": {}}}
    spec = JobSpec.model_validate(body)
    with pytest.raises(SpecError) as caught:
        plan(spec, outlined(spec))
    assert caught.value.param == "regularization.spatial_dropout"
    maps = JobSpec.model_validate(body | {"network": CNN})
    assert plan(maps, outlined(maps, **IMAGES))


NORM = {"regularization": {"batch_norm": {}}}
ROWS = {"train_rows": (801,)}


def test_batches_of_one() -> None:
    finding = found("batch_of_one", **NORM, training={"batch_size": 1})
    assert (finding.severity, finding.field) == ("warning", "training.batch_size")
    assert finding.evidence == {"batch_size": 1, "train_rows": 800}


def test_batches_that_can_be_normalized() -> None:
    assert silent("batch_of_one", **NORM, training={"batch_size": 2})
    layer = {"regularization": {"layer_norm": {}}, "training": {"batch_size": 1}}
    assert silent("batch_of_one", **layer)
    maps = {"network": CNN | {"hidden": []}, "training": {"batch_size": 1}}
    assert silent("batch_of_one", {"shape": (3, 16, 16)}, **NORM, **maps)


def test_a_last_batch_of_one() -> None:
    finding = found("last_batch_of_one", ROWS, **NORM, training={"batch_size": 32})
    assert finding.evidence == {"train_rows": 801, "batch_size": 32}
    assert "31" in finding.fix


def test_a_last_batch_of_more() -> None:
    assert silent("last_batch_of_one", **NORM, training={"batch_size": 32})
    assert silent("last_batch_of_one", ROWS, training={"batch_size": 32})
    assert silent("last_batch_of_one", ROWS, **NORM, training={"batch_size": 1})
