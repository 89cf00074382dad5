"""Successive halving: who leaves at a rung, and that a fleet does as it says."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from tests.fleets import ADAM, fleet, trained
from worker.regularization import EarlyStopping
from worker.search.halving import Halving, effort, rungs
from worker.training import FleetRun
from worker.training.state import dump_state, load_state


def halving(configurations: Sequence[int], **more: Any) -> Halving:
    return Halving(
        configurations,
        **{"epochs": 9, "min_epochs": 1, "eta": 3, "objective": "validation_loss", **more},
    )


def leaving(
    rule: Halving,
    values: Sequence[float | None],
    epoch: int = 1,
    living: Sequence[bool] | None = None,
    failed: Sequence[bool] | None = None,
) -> list[int]:
    return rule.leaving(
        epoch,
        values,
        living=living or [True] * len(values),
        failed=failed or [False] * len(values),
    )


def test_rungs_grow_and_end_before_the_last_epoch() -> None:
    assert rungs(epochs=81, min_epochs=3, eta=3) == (3, 9, 27)
    assert rungs(epochs=28, min_epochs=3, eta=3) == (3, 9, 27)
    assert rungs(epochs=8, min_epochs=2, eta=2) == (2, 4)
    assert rungs(epochs=2, min_epochs=2, eta=2) == ()


def test_the_effort_is_the_share_of_epochs_that_is_trained() -> None:
    trained = 4 + 8 / 3 + 24 / 9 + 18 / 27
    assert effort(epochs=54, min_epochs=4, eta=3) == pytest.approx(trained / 54)
    assert effort(epochs=5, min_epochs=9, eta=2) == 1


@pytest.mark.parametrize(("eta", "stay"), [(2, 4), (3, 3), (4, 2), (8, 1)])
def test_the_best_share_goes_on_rounded_up(eta: int, stay: int) -> None:
    rule = halving(range(7), eta=eta)
    gone = leaving(rule, [float(7 - n) for n in range(7)])
    assert gone == list(range(7 - stay))


def test_more_may_be_better() -> None:
    assert leaving(halving(range(3), maximize=True), [0.1, 0.9, 0.5]) == [0, 2]


def test_nobody_leaves_between_rungs() -> None:
    assert leaving(halving(range(3)), [1.0, 2.0, 3.0], epoch=2) == []


def test_ties_go_to_the_lower_number() -> None:
    assert leaving(halving(range(4), eta=2), [1.0, 1.0, 1.0, 1.0]) == [2, 3]


def test_a_configuration_is_judged_by_its_mean_and_leaves_whole() -> None:
    rule = halving([0, 0, 1, 1, 2, 2])
    assert leaving(rule, [0.1, 0.9, 0.4, 0.4, 0.45, 0.45]) == [0, 1, 4, 5]


def test_a_member_that_ended_counts_with_its_last_value() -> None:
    rule = halving([0, 0, 1, 1], eta=2, min_epochs=2)
    leaving(rule, [0.0, 0.5, 0.4, 0.4])
    gone = leaving(rule, [None, 0.5, 0.4, 0.4], epoch=2, living=[False, True, True, True])
    assert gone == [2, 3]


def test_a_configuration_with_a_failed_member_ranks_last() -> None:
    rule = halving([0, 0, 1, 1], eta=2)
    gone = leaving(
        rule,
        [None, 0.1, 0.9, 0.9],
        living=[False, True, True, True],
        failed=[True, False, False, False],
    )
    assert gone == [1]


def test_what_is_not_finite_ranks_last() -> None:
    assert leaving(halving(range(2), eta=2), [math.inf, 5.0]) == [0]


def test_the_rungs_of_other_fleets_count() -> None:
    asked: list[int] = []

    def elsewhere(epoch: int) -> dict[int, list[float]]:
        asked.append(epoch)
        return {10: [0.1], 11: [0.2], 12: [0.9], 13: [0.95], 14: [0.96], 15: [0.97]}

    rule = halving(range(3), elsewhere=elsewhere)
    # The best three of nine: 10, 11, and one of ours.
    assert leaving(rule, [0.5, 0.3, 0.4]) == [0, 2]
    assert asked == [1]


def test_a_fleet_that_others_surpass_leaves_altogether() -> None:
    rule = halving(range(3), elsewhere=lambda _: {n: [0.1] for n in range(10, 20)})
    assert leaving(rule, [0.5, 0.3, 0.4]) == [0, 1, 2]


def test_members_in_several_fleets_have_one_mean() -> None:
    rule = halving([0, 1], eta=2, elsewhere=lambda _: {0: [0.9], 1: [0.1]})
    assert leaving(rule, [0.2, 0.3]) == [0]


STRENGTHS = [10.0 ** (n / 2 - 5) for n in range(9)]
JOB: dict[str, Any] = {
    "training": {**ADAM, "epochs": 9},
    "regularization": {"dropout": {"p": 0.2}},
    "compare": [
        {
            "name": f"{number}",
            "regularization": {"dropout": {"p": 0.2}, "l2": {"strength": strength}},
        }
        for number, strength in enumerate(STRENGTHS)
    ],
}


def halved(**more: Any) -> FleetRun:
    plain = fleet(**{**JOB, **more})
    rule = halving([trial.configuration for trial in plain.trials])
    return FleetRun(plain.trials, plain.prepared, halving=rule)


def test_losers_leave_the_fleet_and_keep_their_weights_and_metrics() -> None:
    run = halved()
    sizes, left = [], []
    for report in run.epochs():
        sizes.append(len(run.members))
        left.append(len(report.halved))
    assert left == [6, 0, 2, 0, 0, 0, 0, 0, 0]
    assert sizes == [3, 3, 1, 1, 1, 1, 1, 1, 1]
    results = run.results()
    assert sorted(result.epochs for result in results) == [1] * 6 + [3] * 2 + [9]
    assert {result.state for result in results} == {"succeeded"}
    assert all(math.isfinite(result.metrics["validation_loss"] or 0) for result in results)
    weights = run.finals.tensors["weights"]
    assert bool((weights.abs().sum(1) > 0).all())
    assert [outcome.halved_at for outcome in run.outcomes].count(None) == 1


def test_the_metrics_of_a_loser_are_those_of_the_rung_it_left_at() -> None:
    run = halved()
    reports = list(run.epochs())
    for position, result in enumerate(run.results()):
        at = reports[result.epochs - 1].metrics["validation_loss"][position]
        assert result.metrics["validation_loss"] == pytest.approx(at, rel=1e-5)


def test_repeats_leave_with_their_configuration() -> None:
    run = trained(halved(repeats=2))
    epochs = [result.epochs for result in run.results()]
    assert epochs[::2] == epochs[1::2]
    assert sorted(epochs[::2]) == [1] * 6 + [3] * 2 + [9]


@pytest.mark.parametrize(
    "steps", [77, *(pytest.param(n, marks=pytest.mark.slow) for n in (30, 200))]
)
def test_a_resumed_run_ends_with_the_same_bits(steps: int) -> None:
    whole = trained(halved())
    first = halved()
    for _ in first.epochs(interrupted=lambda: first.steps >= steps):
        pass
    assert first.interrupted
    second = halved()
    second.restore(load_state(dump_state(first.state())))
    trained(second)
    assert torch.equal(whole.finals.tensors["weights"], second.finals.tensors["weights"])
    assert whole.outcomes == second.outcomes


def test_a_resumed_run_remembers_the_members_that_have_ended() -> None:
    """A configuration is judged by all its repeats, those too that ended before the kill."""
    plain = halved(repeats=2)
    stopping = {"early_stopping": EarlyStopping(min_delta=10.0, patience=1)}
    trials = [
        trial
        if trial.repeat
        else trial.model_copy(
            update={"regularization": trial.regularization.model_copy(update=stopping)}
        )
        for trial in plain.trials
    ]

    def new() -> FleetRun:
        rule = halving([trial.configuration for trial in trials])
        return FleetRun(trials, plain.prepared, halving=rule)

    killed, resumed = new(), new()
    for _ in killed.epochs(interrupted=lambda: killed.epoch == 2):
        pass
    assert [outcome.epochs for outcome in killed.outcomes[::2] if outcome.halved_at is None] == (
        [2] * 3
    ), "three first repeats have stopped, between the rungs of epochs 1 and 3"
    resumed.restore(load_state(dump_state(killed.state())))
    assert resumed.halving is not None
    assert killed.halving is not None
    assert resumed.halving.state() == killed.halving.state()
    assert trained(resumed).outcomes == trained(new()).outcomes
