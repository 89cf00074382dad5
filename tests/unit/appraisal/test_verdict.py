"""The verdict is right where it is known what is: of what helps, harms, and does nothing."""

from typing import Any

import pytest

from tests.contending import trained
from worker.appraisal import Beside, Contender, appraise
from worker.appraisal.verdict import Facts, verdict
from worker.results import Appraisal, Difference, Judgement, MetricInterval, Role


def appraised(**job: Any) -> Appraisal:
    """What the configurations of a job come to, the best first by their loss."""
    prepared, configurations = trained(**job)
    contenders = [one for one in configurations if one.trials[0].trial.without is None]
    contenders.sort(key=loss)
    without = [one for one in configurations if one.trials[0].trial.without is not None]
    appraisal = appraise(
        prepared,
        contenders,
        winner=contenders[0].configuration,
        objective="validation_loss",
        beside=Beside(competing=len(contenders), left_out=without),
    )
    assert appraisal is not None
    return appraisal


def loss(contender: Contender) -> float:
    values = [one.metrics["validation_loss"] or 0.0 for one in contender.trials]
    return sum(values) / len(values)


FITS_TOO_WELL: dict[str, Any] = {
    "dataset": {"builtin": "diabetes"},
    "split": {"validation": 0.6},
    "network": {"kind": "mlp", "hidden": [50, 50]},
    "training": {"epochs": 40, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    "repeats": 3,
}
NONE = {"name": "none", "regularization": {}}


def test_what_helps() -> None:
    found = appraised(
        **FITS_TOO_WELL,
        compare=[NONE, {"name": "L2", "regularization": {"l2": {"strength": 0.1}}}],
    )
    assert found.verdict.startswith("L2 beats none by ")
    assert "± " in found.verdict
    assert "validation loss on the 265 validation rows that made the choice." in found.verdict


def test_what_harms() -> None:
    found = appraised(
        **{**FITS_TOO_WELL, "training": {"epochs": 10}},
        compare=[NONE, {"name": "L1", "regularization": {"l1": {"strength": 3.0}}}],
    )
    assert found.verdict.startswith("L1 is worse than none by ")


def test_what_does_nothing() -> None:
    found = appraised(
        **{**FITS_TOO_WELL, "training": {"epochs": 10}},
        compare=[NONE, {"name": "nothing", "regularization": {"l2": {"strength": 1e-9}}}],
    )
    assert found.verdict.startswith("no difference between ")
    assert "that these 265 rows could show" in found.verdict


def test_which_technique_did_it() -> None:
    found = appraised(
        **FITS_TOO_WELL,
        attribute=True,
        regularization={"l2": {"strength": 0.1}, "weight_decay": {"strength": 1e-6}},
    )
    assert found.verdict.startswith("job has a validation loss of ")
    assert "better than the constant answer by" in found.verdict
    assert found.verdict.endswith("; l2 did it; weight_decay unclear.")


def difference(
    judged: Judgement, value: float = 0.024, other: str = "none", role: Role = "twin"
) -> Difference:
    return Difference(
        name="dropout",
        other=0,
        other_name=other,
        role=role,
        technique=other if role == "without" else None,
        metric="loss",
        maximize=False,
        difference=value,
        low=value - 0.007,
        high=value + 0.007,
        verdict=judged,
        pairs=1,
        seeds="repeats",
    )


def facts(**changes: Any) -> Facts:
    usual: dict[str, Any] = {
        "part": "test",
        "rows": 1138,
        "metric": "loss",
        "winner": "dropout",
        "value": MetricInterval(value=0.3123, low=0.27, high=0.36),
        "competing": 2,
        "searched": False,
        "chosen_here": False,
        "wins_plain": False,
        "twin": None,
        "others": [],
        "constant": None,
        "boosting": None,
        "without": [],
    }
    return Facts(**(usual | changes))


SAME = difference("unclear", 0.0, "A", "contender").model_copy(update={"low": 0.0, "high": 0.0})
WITHOUT = [
    difference("better", other="dropout", role="without"),
    difference("unclear", other="weight_decay", role="without"),
    difference("worse", other="l1", role="without"),
]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"twin": difference("better", -0.024), "without": WITHOUT},
            "dropout beats none by 0.0240 ± 0.0070 in test loss on 1,138 test rows; "
            "dropout did it; l1 harms; weight_decay unclear.",
        ),
        (
            {"twin": difference("unclear", 0.001), "competing": 4},
            "no difference between dropout, the best of 4, and none that these 1,138 rows could "
            "show: 0.0010 ± 0.0070 in test loss.",
        ),
        (
            {"twin": difference("worse")},
            "dropout is worse than none by 0.0240 ± 0.0070 in test loss on 1,138 test rows.",
        ),
        (
            {"twin": difference("better", -0.024), "searched": True, "competing": 64},
            "the best of 64 (dropout) beats all switched off (none) by 0.0240 ± 0.0070 in test "
            "loss on 1,138 test rows.",
        ),
        (
            {"others": [difference("better", -0.024, "L1", "contender")]},
            "dropout beats L1 by 0.0240 ± 0.0070 in test loss on 1,138 test rows; none without "
            "regularization was trained beside them.",
        ),
        (
            {
                "winner": "none",
                "wins_plain": True,
                "competing": 4,
                "others": [
                    difference("unclear", 0.001, "dropout", "contender"),
                    difference("better", -0.1, "L1", "contender"),
                    difference("better", -0.2, "L2", "contender"),
                ],
            },
            "L1 is worse than none by 0.1000 ± 0.0070 and L2 by 0.2000 ± 0.0070 in test loss on "
            "1,138 test rows; dropout unclear.",
        ),
        (
            {
                "winner": "none",
                "wins_plain": True,
                "others": [difference("unclear", 0.001, "dropout", "contender")],
            },
            "no difference between none and dropout that these 1,138 rows could show, within "
            "0.007 in test loss.",
        ),
        (
            {
                "winner": "none",
                "wins_plain": True,
                "competing": 3,
                "others": [
                    difference("unclear", 0.001, "dropout", "contender"),
                    difference("unclear", 0.002, "L1", "contender"),
                ],
            },
            "no difference between none, dropout and L1 that these 1,138 rows could show, within "
            "0.007 in test loss.",
        ),
        (
            {"winner": "none", "wins_plain": True, "others": [SAME]},
            "none and A give the same answers on these 1,138 rows.",
        ),
        ({"twin": SAME}, "dropout and A give the same answers on these 1,138 rows."),
        (
            {
                "others": [difference("better", -0.024, "3", "contender")],
                "searched": True,
                "let_go": 6,
            },
            "the best of 2 (dropout) beats 3 by 0.0240 ± 0.0070 in test loss on 1,138 test rows; "
            "none without regularization was trained to the end beside them.",
        ),
        (
            {
                "competing": 1,
                "part": "out_of_fold",
                "groups": 20,
                "value": MetricInterval(value=2.4e-12, low=2e-12, high=3e-12),
            },
            "dropout has an out-of-fold loss of 2.4e-12 (2e-12 to 3e-12) on 1,138 rows of 20 "
            "groups.",
        ),
        (
            {
                "winner": "0: dropout=off",
                "wins_plain": True,
                "searched": True,
                "competing": 64,
                "others": [difference("unclear", 0.001, "7: dropout=on", "contender")],
            },
            "the best of 64 is without regularization (0: dropout=off); no difference from the "
            "next (7: dropout=on) that these 1,138 rows could show: 0.0010 ± 0.0070 in test loss.",
        ),
        (
            {
                "competing": 1,
                "constant": difference("better", -0.35, "the constant answer", "constant"),
                "boosting": difference("unclear", 0.001, "gradient boosting", "boosting"),
            },
            "dropout has a test loss of 0.312 (0.270 to 0.360) on 1,138 test rows, better than the "
            "constant answer by 0.3500 ± 0.0070; no difference from gradient boosting in loss "
            "(0.0010 ± 0.0070).",
        ),
    ],
)
def test_sentences(changes: dict[str, Any], sentence: str) -> None:
    assert verdict(facts(**changes)) == sentence


def test_an_interval_that_is_not_even_is_told_by_its_ends() -> None:
    uneven = difference("better", -0.1).model_copy(update={"low": -0.224, "high": -0.011})
    assert "by 0.10 (0.01 to 0.22) in" in verdict(facts(twin=uneven))
