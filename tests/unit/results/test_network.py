"""What is said of a trained network: its statement, and how far it may be pruned."""

import pytest

from worker.results.sparsity import FeatureReport, NetworkReport, PruningCurve

THRESHOLDS = [0.0, 0.01, 0.1, 1.0]


def curve(**metrics: list[float]) -> PruningCurve:
    return PruningCurve(
        part="validation",
        rows=100,
        thresholds=THRESHOLDS,
        sparsity=[0.1, 0.2, 0.6, 1.0],
        loss=[0.1] * 4,
        **metrics,
    )


def network(
    zeros: int, *, pruning: PruningCurve | None = None, unused: int | None = None
) -> NetworkReport:
    names = [f"x{n}" for n in range(20)]
    features = (
        unused
        if unused is None
        else FeatureReport(
            columns=20,
            columns_unused=unused,
            used=names[unused:],
            unused=names[:unused],
            inputs=20,
            inputs_unused=unused,
            unused_inputs=[],
        )
    )
    return NetworkReport(
        weights=1000,
        zeros=zeros,
        sparsity=zeros / 1000,
        units=10,
        dead_units=0,
        layers=[],
        features=features,
        pruning=pruning,
    )


@pytest.mark.parametrize(
    ("accuracy", "threshold"),
    [
        ([0.9, 0.9, 0.9, 0.5], 0.1),
        ([0.9, 0.89, 0.9, 0.5], 0.1),  # a loss of exactly a point
        ([0.9, 0.88, 0.9, 0.9], 0.0),  # the first loss ends it, whatever follows
        ([0.5, 0.5, 0.5, 0.5], 1.0),
    ],
)
def test_pruning_may_cost_a_point_of_balanced_accuracy(
    accuracy: list[float], threshold: float
) -> None:
    assert curve(balanced_accuracy=accuracy).prunable.threshold == threshold


def test_pruning_may_cost_a_hundredth_of_the_rmse() -> None:
    prunable = curve(rmse=[10.0, 10.1, 10.2, 10.0]).prunable
    assert (prunable.threshold, prunable.sparsity) == (0.01, 0.2)


def test_the_statement_counts_zeros() -> None:
    assert network(0).statement() == "None of 1,000 weights is exactly zero."
    assert network(250).statement() == "250 of 1,000 weights (25 %) are exactly zero."


def test_the_statement_names_penalties_that_set_no_weight_to_zero() -> None:
    assert "l1 with method subgradient" in network(0).statement(["l1"])


@pytest.mark.parametrize(
    ("unused", "words"),
    [
        (0, None),
        (2, "does not depend on 2 of 20 columns: x0, x1."),
        (12, "x8, x9, …."),
        (20, "depends on no column"),
    ],
)
def test_the_statement_names_ten_columns_at_most(unused: int, words: str | None) -> None:
    statement = network(0, unused=unused).statement()
    assert (words in statement) if words else ("column" not in statement)


def test_the_statement_recommends_pruning_where_it_removes_more() -> None:
    good = curve(balanced_accuracy=[0.9, 0.9, 0.9, 0.5])
    assert "With weights below 0.1 set to 0" in network(100, pruning=good).statement()
    assert "With weights" not in network(700, pruning=good).statement()


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (
            {"balanced_accuracy": [0.9, 0.9, 0.895, 0.5]},
            "its balanced accuracy on the validation rows falls by no more than 0.01: 0.9 before, "
            "0.895 after.",
        ),
        (
            {"rmse": [10.0, 10.0, 10.05, 20.0]},
            "its RMSE on the validation rows grows by no more than 1 %: 10 before, 10.05 after.",
        ),
    ],
)
def test_what_pruning_costs_is_said_of_a_metric(
    metrics: dict[str, list[float]], words: str
) -> None:
    assert words in network(100, pruning=curve(**metrics)).statement()


def test_nothing_is_said_of_pruning_what_always_answers_the_same() -> None:
    """Balanced accuracy cannot fall below that of one class, whatever is set to 0."""
    same = curve(balanced_accuracy=[0.5] * 4)
    assert "With weights" in network(0, pruning=same).statement()
    assert "With weights" not in network(0, pruning=same).statement(constant=True)
    assert "With weights" not in network(0, pruning=same).summary(constant=True).statement
    blind = curve(rmse=[10.0] * 4)
    assert "With weights" not in network(0, pruning=blind, unused=20).statement()


def test_the_full_report_is_the_summary_and_more() -> None:
    report = network(250, unused=2)
    summary, full = report.summary(["l1"]), report.full("trl_1", ["l1"])
    assert summary.columns_unused == 2
    assert summary.prunable is None
    assert {name: getattr(full, name) for name in type(summary).model_fields} == dict(summary)
    assert (full.trial, full.zeros) == ("trl_1", 250)
