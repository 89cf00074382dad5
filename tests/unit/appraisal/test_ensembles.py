"""Who answers together: selections against a reference, and the choice on rows that may choose."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.contending import trained
from worker.appraisal import (
    Contender,
    Library,
    Servable,
    TrainedTrial,
    choose_served,
    held_out,
    measured,
    members_of,
    servables,
)
from worker.appraisal.selection import greedy, held_back, top
from worker.data import Prepared
from worker.models import EnsembleMember, TrainedModel, join_members
from worker.training import FleetRun

Floats = NDArray[np.float64]


def log_loss(p: Floats) -> Floats:
    return np.asarray(-np.log(np.maximum(p, 1e-15)).mean(axis=-1))


def caruana(answers: Floats, loss: Callable[[Floats], Any], size: int) -> Floats:
    """The selection as the paper says it, one mean after another."""
    order = sorted(range(len(answers)), key=lambda one: (float(loss(answers[one])), one))
    begun = min(
        range(1, min(5, size) + 1), key=lambda n: float(loss(np.mean(answers[order[:n]], axis=0)))
    )
    chosen = order[:begun]
    best = (float(loss(np.mean(answers[chosen], axis=0))), list(chosen))
    while len(chosen) < size:
        added = min(
            range(len(answers)),
            key=lambda one: float(loss(np.mean(answers[[*chosen, one]], axis=0))),
        )
        chosen = [*chosen, added]
        reached = float(loss(np.mean(answers[chosen], axis=0)))
        if reached < best[0]:
            best = (reached, list(chosen))
    return np.bincount(best[1], minlength=len(answers)) / len(best[1])


@pytest.mark.parametrize("seed", range(5))
def test_the_greedy_selection_is_that_of_the_paper(seed: int) -> None:
    answers = np.random.default_rng(seed).uniform(0.05, 0.95, size=(7, 30))
    found = greedy(answers, log_loss, 12)
    assert found == pytest.approx(caruana(answers, log_loss, 12))
    assert found.sum() == pytest.approx(1.0)


def test_of_two_that_err_apart_it_takes_both() -> None:
    answers = np.array([[0.9, 0.9, 0.2, 0.2], [0.2, 0.2, 0.9, 0.9], [0.5, 0.5, 0.5, 0.4]])
    shares = greedy(answers, log_loss, 20)
    assert shares[0] == pytest.approx(shares[1], abs=0.06)
    assert log_loss(shares @ answers) < 0.61 < log_loss(answers).min()


def test_bags_look_at_half_of_the_configurations_each() -> None:
    answers = np.random.default_rng(0).uniform(0.05, 0.95, size=(8, 40))
    found = greedy(answers, log_loss, 10, bags=20)
    assert found.sum() == pytest.approx(1.0)
    assert (found > 0).sum() > (greedy(answers, log_loss, 10) > 0).sum()
    assert np.array_equal(found, greedy(answers, log_loss, 10, bags=20))


def test_the_best_weigh_alike() -> None:
    answers = np.array([[0.2, 0.2], [0.8, 0.8], [0.5, 0.5]])
    assert top(answers, log_loss, 2).tolist() == [0.0, 0.5, 0.5]


def best(answers: Floats, rows: NDArray[np.bool_]) -> Floats:
    return top(answers[:, rows], log_loss, 1)


def test_a_selection_is_judged_on_rows_that_did_not_select_it() -> None:
    """Of configurations that are noise the best on some rows is no better on others."""
    rng = np.random.default_rng(0)
    groups = np.arange(100) % 5
    flattered, honest = [], []
    for _ in range(60):
        losses = np.abs(rng.normal(size=(30, 100)))  # of mean √(2/π)
        answers = np.exp(-losses)
        select = partial(best, answers)
        flattered.append(log_loss(select(np.ones(100, dtype=bool)) @ answers))
        honest.append(log_loss(held_back(answers, groups, select)))
    error = np.std(honest) / np.sqrt(60)
    assert np.mean(honest) == pytest.approx(np.sqrt(2 / np.pi), abs=3 * error)
    assert np.mean(flattered) < np.sqrt(2 / np.pi) - 6 * error
    one = held_back(answers, groups, lambda _: np.eye(30)[3])
    assert np.array_equal(one, answers[3])


JOB: dict[str, Any] = {
    "dataset": {"builtin": "iris"},
    "split": {"folds": 3, "test": 0.2},
    "network": {"kind": "mlp", "hidden": [6]},
    "training": {"epochs": 4},
    "compare": [
        {"name": "none", "regularization": {}},
        {"name": "dropout", "regularization": {"dropout": {"p": 0.1}}},
        {"name": "decay", "regularization": {"weight_decay": {"strength": 0.1}}},
    ],
}


@pytest.fixture(scope="module")
def job() -> tuple[Prepared, list[Contender]]:
    return trained(**JOB)


def library(prepared: Prepared, contenders: list[Contender], **options: Any) -> Library:
    found = Library(held_out(prepared, "out_of_fold"), **({"balanced": False} | options))
    found.add(contenders)
    return found


def two(plain: Floats, winner: Floats) -> list[Servable]:
    """The network without techniques and the winner, with what they say of the true class."""
    return [
        Servable("unregularized", {0: 1.0}, plain, 1),
        Servable("winner", {1: 1.0}, winner, 1),
    ]


def noise(rows: int) -> Floats:
    """Of mean 0 and deviation 1."""
    drawn = np.random.default_rng(0).normal(size=rows)
    drawn -= drawn.mean()
    return np.asarray(drawn / drawn.std(ddof=1))


def test_the_simplest_within_a_standard_error_is_chosen(
    job: tuple[Prepared, list[Contender]],
) -> None:
    found = library(*job)
    rows = len(found.held)
    error = 0.1 / np.sqrt(rows)
    plain = np.full(rows, np.exp(-0.5))
    chosen, choice = choose_served(
        found, two(plain, np.exp(-0.5 + 0.1 * noise(rows) + 0.9 * error))
    )
    assert (chosen.method, choice.distinct) == ("unregularized", None)
    first = choice.candidates[0]
    assert first.behind == pytest.approx(0.9 * error)
    assert first.behind_error == pytest.approx(error)
    assert "within one standard error" in choice.why
    for ahead, distinct in ((1.5, False), (2.5, True)):
        better = np.exp(-0.5 + 0.1 * noise(rows) + ahead * error)
        chosen, choice = choose_served(found, two(plain, better))
        assert (chosen.method, choice.distinct) == ("winner", distinct)
        told = "do not tell it from the network without techniques" in choice.why
        assert told is not distinct


def test_a_network_that_is_perfect_on_test_rows_alone_is_not_chosen(
    job: tuple[Prepared, list[Contender]],
) -> None:
    prepared, contenders = job
    leaked = tuple(
        replace(split, train=split.test, validation=split.test[:10]) for split in prepared.splits
    )
    trials = [replace_settings(one, epochs=300) for one in (t.trial for t in contenders[0].trials)]
    run = FleetRun(trials, replace(prepared, splits=leaked))
    for _ in run.epochs():
        pass
    file = run.result()
    planted = Contender(
        9, "planted", [TrainedTrial(trial, {}, file, place) for place, trial in enumerate(trials)]
    )
    everything = [*contenders, planted]
    found = library(prepared, everything)
    made = servables(found, size=5, winner=1, unregularized=0)
    shares = {one.method: one.shares for one in made}
    # Nothing of the test rows is looked at: whatever they hold, the choice is the same.
    x, y = prepared.x.copy(), prepared.y.copy()
    x[:, prepared.splits[0].test] = np.nan
    y[:, prepared.splits[0].test] = 0
    blind = library(replace(prepared, x=x, y=y), everything)
    again = servables(blind, size=5, winner=1, unregularized=0)
    assert {one.method: one.shares for one in again} == shares
    assert choose_served(blind, again)[1] == choose_served(found, made)[1]
    test = held_out(prepared, "test")
    alone = join_members([EnsembleMember.of(file, place) for place in range(3)])
    model = TrainedModel.of_ensemble(alone)
    features = np.concatenate([prepared.x[fold][test.rows] for fold in range(3)], axis=1)
    assert (model.answer(features).best == test.truth).all()


def replace_settings(trial: Any, *, epochs: int) -> Any:
    optimizer = trial.training.optimizer.model_copy(update={"learning_rate": 0.05})
    training = trial.training.model_copy(update={"epochs": epochs, "optimizer": optimizer})
    return trial.model_copy(update={"configuration": 9, "training": training})


def test_metrics_are_those_of_the_served_file(job: tuple[Prepared, list[Contender]]) -> None:
    prepared, contenders = job
    found = library(prepared, contenders, balanced=True)
    made = servables(found, size=3, winner=1, unregularized=0)
    chosen, choice = choose_served(found, made, "all")
    assert choice.by == "balanced_log_loss"
    shares = members_of(found, chosen)
    model = TrainedModel.of_ensemble(
        join_members(
            [
                EnsembleMember.of(
                    one.file,
                    one.position,
                    weight=shares[contender.configuration][0] / 3,
                    temperature=shares[contender.configuration][1],
                )
                for contender in contenders
                for one in contender.trials
            ]
        )
    )
    ensemble = measured(found, prepared, chosen, model)
    test = held_out(prepared, "test")
    features = np.concatenate([prepared.x[fold][test.rows] for fold in range(3)], axis=1)
    p = model.answer(features).probabilities
    assert p is not None
    assert ensemble.metrics.test is not None
    expected = -np.log(p[np.arange(len(test)), test.truth].astype(float)).mean()
    assert ensemble.metrics.test["log_loss"] == pytest.approx(expected, rel=1e-5)
    own = next(one for one in choice.candidates if one.method == "all")
    weighed = (found.weights * -np.log(chosen.truth)).sum()  # nothing was selected of all
    assert own.loss == pytest.approx(weighed)
    # Of three equally frequent classes the balanced mean is the mean.
    assert ensemble.metrics.choosing["log_loss"] == pytest.approx(weighed, rel=1e-5)
