"""Findings about what came out of a trial."""

from worker.advice import advise_on_result

ONE_CLASS = {
    "train_classes_predicted": 1.0,
    "train_accuracy": 0.9015,
    "train_balanced_accuracy": 0.5,
}


def test_a_constant_predictor() -> None:
    (finding,) = advise_on_result("L1", ONE_CLASS)
    assert finding.code == "constant_predictor"
    assert finding.evidence == {"train_accuracy": 0.9015, "train_balanced_accuracy": 0.5}


def test_a_predictor_of_two_classes() -> None:
    assert advise_on_result("L1", ONE_CLASS | {"train_classes_predicted": 2.0}) == []


def test_a_solver_that_did_not_end() -> None:
    (finding,) = advise_on_result("lasso", {}, solved=False)
    assert finding.code == "not_solved"
    assert advise_on_result("lasso", {}, solved=True) == []
