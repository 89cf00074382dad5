"""What a search was worth: importances that can be believed, and techniques that bought nothing."""

import math
import random
from typing import Any

import pytest

from worker.results import Advice, Refit, Spread
from worker.search.report.axes import Axis, ConfigurationResult
from worker.search.report.report import summarize

L1 = Axis("regularization.l1.strength", low=1e-6, high=1e-2, log=True)
P = Axis("regularization.dropout.p", low=0.0, high=0.8)
DROPOUT, SWA = Axis("regularization.dropout"), Axis("regularization.swa")
AUTO = (DROPOUT, P, SWA)
RATE = Axis("training.optimizer.learning_rate", low=1e-4, high=0.1, log=True)


def drawn(count: int, *, noise: float) -> list[ConfigurationResult]:
    draw = random.Random(0)
    found = []
    for number in range(count):
        strength, p = 10 ** draw.uniform(-6, -2), draw.uniform(0, 0.8)
        value = abs(math.log10(strength) + 4) + noise * draw.gauss(0, 1)
        found.append(ConfigurationResult(number, {L1.path: strength, P.path: p}, (value,)))
    return sorted(found, key=lambda result: result.mean)


def test_importances_of_noise_are_left_out_and_it_is_said_why() -> None:
    report = summarize([L1, P], drawn(20, noise=100.0), maximize=False)
    assert report.fit is not None
    assert report.fit < 0.25
    assert report.interactions is None
    assert [field.importance for field in report.fields] == [None, None]
    (finding,) = report.advice
    assert (finding.code, finding.field) == ("importances_not_believable", "search.trials")
    assert finding.evidence["configurations"] == 20
    assert finding.change == {"search": {"trials": 40}}
    assert "40" in finding.fix


def test_a_grid_is_told_to_draw() -> None:
    report = summarize([L1, P], drawn(20, noise=100.0), maximize=False, method="grid")
    (finding,) = report.advice
    assert finding.change == {"search": {"trials": 40, "method": "random"}}
    assert finding.field == "search.method"


@pytest.mark.parametrize(("count", "noise"), [(100, 0.01), (10, 100.0), (0, 0.0)])
def test_importances_that_are_believable_or_not_computed(count: int, noise: float) -> None:
    report = summarize([L1, P], drawn(count, noise=noise), maximize=False)
    assert report.advice == []
    assert all((field.importance is not None) == (count == 100) for field in report.fields)


def auto(number: int, *values: float, **on: Any) -> ConfigurationResult:
    overrides: dict[str, Any] = {DROPOUT.path: "p" in on, SWA.path: "swa" in on}
    if "p" in on:
        overrides[P.path] = on["p"]
    return ConfigurationResult(number, overrides, values, halved=on.get("halved", False))


def refit(number: int, mean: float, sd: float | None = None, n: int = 1) -> Refit:
    metrics = {"test_balanced_accuracy": Spread(mean=mean, sd=sd, n=n)}
    return Refit(configuration=number, name=str(number), metrics=metrics)


def bought(
    order: list[ConfigurationResult],
    *refits: Refit,
    axes: tuple[Axis, ...] = AUTO,
    regularization: dict[str, Any] | None = None,
) -> list[Advice]:
    return summarize(
        axes,
        order,
        maximize=True,
        objective="validation_balanced_accuracy",
        refits=refits,
        regularization=regularization,
    ).advice


WON = [auto(5, 0.95, p=0.2), auto(0, 0.94), auto(3, 0.9, swa=True)]
"""By validation rows."""


def test_all_off_has_won() -> None:
    weights = {"class_weights": {"weights": "balanced"}}
    (finding,) = bought([WON[1], WON[2]], regularization=weights)
    assert (finding.code, finding.field) == ("search_bought_nothing", "search.space")
    assert finding.evidence["configuration"] == 0
    assert finding.change == {"regularization": weights, "search": None}


@pytest.mark.parametrize(
    "refits",
    [
        (refit(5, 0.93), refit(0, 0.93)),
        (refit(5, 0.93), refit(0, 0.94)),
        (refit(5, 0.95, 0.02, 4), refit(0, 0.94, 0.02, 4)),
    ],
)
def test_the_reference_is_no_worse_on_test_rows(refits: tuple[Refit, ...]) -> None:
    (finding,) = bought(WON, *refits)
    assert "test_balanced_accuracy" in finding.message
    assert finding.evidence["without"] == refits[1].metrics["test_balanced_accuracy"].mean


@pytest.mark.parametrize(
    "refits",
    [
        (refit(5, 0.95), refit(0, 0.93)),
        (refit(5, 0.97, 0.01, 4), refit(0, 0.94, 0.01, 4)),
        (),
        (refit(5, 0.93),),
    ],
)
def test_a_winner_that_is_better_or_cannot_be_told(refits: tuple[Refit, ...]) -> None:
    assert bought(WON, *refits) == []


def test_without_test_rows_a_standard_error_decides() -> None:
    near = [auto(5, 0.93, 0.95, 0.97, p=0.2), auto(0, 0.93, 0.94, 0.96)]
    (finding,) = bought(near)
    assert finding.evidence["standard_error"] == pytest.approx(0.02 / math.sqrt(3))
    assert bought([near[0], auto(0, 0.80, 0.81, 0.82)]) == []
    assert bought([near[0], auto(0, 0.93, 0.94, 0.96, halved=True)]) == []


def test_other_fields_that_were_searched_leave_no_change() -> None:
    order = [
        ConfigurationResult(4, {DROPOUT.path: False, RATE.path: 0.01}, (0.9,)),
        ConfigurationResult(0, {DROPOUT.path: False, RATE.path: 0.001}, (0.8,)),
    ]
    (finding,) = bought(order, axes=(DROPOUT, RATE))
    assert finding.change is None


def test_a_search_without_switches_is_no_matter_of_this() -> None:
    order = [ConfigurationResult(n, {RATE.path: 0.01 * (n + 1)}, (0.9,)) for n in range(2)]
    assert bought(order, axes=(RATE,)) == []
