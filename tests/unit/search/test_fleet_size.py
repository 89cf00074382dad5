"""Fleets are as large as their memory allows; the formula agrees with what is measured."""

from typing import Any

import pytest

from tests.fleets import ADAM
from worker.data import Outline, check, load_builtin, prepare
from worker.search import FleetPlan, plan
from worker.search.fleet_size import DOCUMENTS, FLOAT, bytes_per_trial, largest_fleet, parts
from worker.spec import Builtin, JobSpec
from worker.training import FleetRun
from worker.training.probe import probe

PARAMETERS = 2751
MIB = 2**20


def planned(memory: int = 2**30, **job: Any) -> tuple[list[FleetPlan], Outline]:
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = check(table, spec, target)
    return plan(spec, outline, memory), outline


def size(**job: Any) -> int:
    (fleet,), outline = planned(**job)
    return bytes_per_trial(fleet.trials, outline)


@pytest.mark.parametrize(
    "job",
    [
        {"training": ADAM},
        {"training": {**ADAM, "optimizer": {"kind": "sgd"}}},
        {"training": {**ADAM, "optimizer": {"kind": "sgd", "momentum": 0.9}}},
        {"training": ADAM, "regularization": {"early_stopping": {}, "ema": {}}},
        {"training": ADAM, "regularization": {"lookahead": {}, "swa": {}, "batch_norm": {}}},
        {"training": ADAM, "regularization": {"snapshot_ensemble": {"members": 4}}},
        {"training": ADAM, "network": {"kind": "residual_mlp"}},
    ],
    ids=str,
)
def test_the_formula_covers_what_a_probe_weighs_and_little_more(job: dict[str, Any]) -> None:
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job, "repeats": 8})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    outline = check(table, spec, target)
    (fleet,) = plan(spec, outline)
    prepared = prepare(table, spec, target)
    held = probe(fleet.trials, prepared, 0.01).state_bytes / len(fleet.trials)
    parameters = FleetRun(fleet.trials, prepared).engine.parameters.values.shape[1]
    # A batch and a step as the formula has them; a second engine at the end is at most as much.
    found = bytes_per_trial(fleet.trials, outline) - DOCUMENTS
    assert held < found
    smaller = spec.model_copy(
        update={"training": spec.training.model_copy(update={"batch_size": 1})}
    )
    (alone,) = plan(smaller, outline)
    without_batch = bytes_per_trial(alone.trials, outline) - DOCUMENTS - 5 * FLOAT * parameters
    assert held < without_batch < 3 * held


def test_what_one_trial_needs_is_stored_for_all() -> None:
    plain = {"name": "plain"}
    ema = {"name": "ema", "regularization": {"ema": {}}}
    alone, both = size(compare=[plain]), size(compare=[plain, ema])
    # The average and what is served, in both programs.
    assert both - alone == FLOAT * 2 * 2 * PARAMETERS


def test_penalties_batches_and_widths_take_their_share() -> None:
    plain = size()
    assert size(regularization={"l1": {"strength": 0.1}}) == plain + FLOAT * 2 * PARAMETERS
    assert size(training={"batch_size": 64}) > plain
    assert size(network={"kind": "mlp", "hidden": [500, 500]}) > 20 * plain


def test_a_solver_is_sized_by_its_rows() -> None:
    job: dict[str, Any] = {
        "dataset": {"builtin": "diabetes"},
        "network": {"kind": "linear"},
        "training": {"optimizer": {"kind": "solver"}},
    }
    assert size(**job) > 353 * FLOAT


def test_a_fleet_is_cut_to_its_memory() -> None:
    each = size(repeats=10)
    fleets, outline = planned(memory=4 * each, repeats=10)
    assert [len(fleet.trials) for fleet in fleets] == [4, 4, 2]
    assert all(
        len(fleet.trials) * bytes_per_trial(fleet.trials, outline) <= 4 * each for fleet in fleets
    )


def test_a_trial_that_does_not_fit_is_a_fleet_of_one() -> None:
    fleets, outline = planned(memory=1, repeats=3)
    assert [len(fleet.trials) for fleet in fleets] == [1, 1, 1]
    assert largest_fleet(fleets[0].trials, outline, 1) == 1


def test_a_configuration_stays_together_where_it_fits() -> None:
    assert [list(range(9))[part] for part in parts([0, 0, 0, 1, 1, 1, 2, 2, 2], 4)] == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
    ]
    assert list(parts([0] * 5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(parts([0, 0, 1], 3)) == [slice(0, 3)]
    assert list(parts([], 3)) == []


def test_a_gibibyte_holds_thousands_of_small_networks() -> None:
    (fleet,), outline = planned()
    assert 2000 < largest_fleet(fleet.trials, outline) < 20_000
