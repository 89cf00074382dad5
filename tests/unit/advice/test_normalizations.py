"""Batches that batch norm cannot normalize."""

from tests.findings import CNN, found, silent

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
