"""A trial is itself, whatever its company: its weights follow from its own settings and seed.

Every random technique is trained alone; in a fleet of seven with other settings and seeds; in one
that most have left; in the half of a fleet that was split; and in one whose process was killed,
twice. The weights hash to the same.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, get_args

import pytest

from tests.fleets import fleet, stopped, trained
from tests.vocabulary import EXAMPLES, RANDOM
from tests.weights import served
from worker.data import Outline, load_builtin, prepare
from worker.regularization import EarlyStopping
from worker.search import plan
from worker.search.scheduler import Search
from worker.spec import Activation, Builtin, JobSpec, Trial
from worker.training import FleetRun
from worker.training.state import dump_state, load_state

LEAVES = EarlyStopping(min_delta=10.0, patience=1)
"""Stops after the second epoch."""


def hashed(run: FleetRun, row: int) -> str:
    """The SHA-256 of what a trial is served with; of an ensemble, as many members as it has."""
    digest = hashlib.sha256()
    for name, tensor in sorted(served(run.result(), row).items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def seeded(trial: Trial, seed: int) -> Trial:
    training = trial.training.model_copy(update={"seed": seed})
    return trial.model_copy(update={"training": training})


def cut(run: FleetRun, trials: Sequence[Trial]) -> FleetRun:
    """A run of other trials on the same data."""
    return FleetRun(trials, run.prepared)


def with_early_stopping(trial: Trial, settings: EarlyStopping | None) -> Trial:
    regularization = trial.regularization.model_copy(update={"early_stopping": settings})
    return trial.model_copy(update={"regularization": regularization})


def company(name: str) -> tuple[FleetRun, list[Trial]]:
    """A run on a technique's first stage, and seven trials of one structure.

    The third is the one that is looked at. Four of the others leave after the second epoch; two
    others have its seed.
    """
    runs = EXAMPLES[name].stages[0](*({name: settings} for settings in EXAMPLES[name].settings))
    run = next(run for run in runs if any(trial.configuration == 1 for trial in run.trials))
    looked_at = next(trial for trial in run.trials if trial.configuration == 1)
    others = (run.trials * 6)[:6]
    trials = [*others[:2], looked_at, *others[2:]]
    seeds = (5, 7, 7, 7, 0, 1, 2)
    leaves = (False, True, False, False, True, True, True)
    return run, [
        with_early_stopping(seeded(trial, seed), LEAVES if leaving else None)
        for trial, seed, leaving in zip(trials, seeds, leaves, strict=True)
    ]


@pytest.mark.parametrize("name", RANDOM)
def test_every_random_technique(name: str) -> None:
    run, trials = company(name)
    alone = hashed(trained(cut(run, trials[2:3])), 0)

    staying = [with_early_stopping(trial, None) for trial in trials]
    together = trained(cut(run, staying))
    assert hashed(together, 2) == alone
    assert len({hashed(together, row) for row in range(7)}) > 4, "they have weights of their own"

    left = trained(cut(run, trials))
    assert left.members == [0, 2, 3], "four have left, and the rest were compacted"
    assert hashed(left, 2) == alone

    assert hashed(trained(cut(run, trials[2:])), 0) == alone, "the half of a fleet that was split"

    resumed = cut(run, trials)
    for steps in (2, 11):
        killed = stopped(resumed, steps)
        resumed = cut(run, trials)
        resumed.restore(load_state(dump_state(killed.state())))
    assert hashed(trained(resumed), 2) == alone


def test_another_seed_of_a_neighbour_changes_nothing() -> None:
    job: dict[str, Any] = {
        "dataset": {"builtin": "circle", "rows": 200},
        "regularization": {"dropout": {"p": 0.4}},
        "training": {"epochs": 4},
    }
    weights = []
    for seed in (1, 2):
        run = fleet(compare=[{"name": "a"}, {"name": "b"}], **job)
        weights.append(hashed(trained(cut(run, [seeded(run.trials[0], seed), run.trials[1]])), 1))
    assert weights[0] == weights[1]


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize(
    "builtin",
    ["wine", *(pytest.param(name, marks=pytest.mark.slow) for name in ("circle", "diabetes"))],
)
def test_odd_sizes(builtin: str, activation: str) -> None:
    """Widths, batches and columns that are multiples of nothing: kernels take their edges apart."""
    run = fleet(
        dataset={"builtin": builtin, **({"rows": 97} if builtin == "circle" else {})},
        network={"kind": "mlp", "hidden": [7, 5], "activation": activation},
        regularization={"dropout": {"p": 0.2}, "l2": {"strength": 1e-3}},
        training={"epochs": 1, "batch_size": 13},
        repeats=6,
    )
    trained(run)
    for row in (1, 3, 5):
        assert hashed(trained(cut(run, run.trials[row : row + 1])), 0) == hashed(run, row)


@pytest.mark.parametrize("method", ["random", "grid", "tpe"])
def test_a_searchs_winner_posted_again_as_a_plain_job(method: str) -> None:
    """Every trial of a search, in truth: the job that says what a configuration says."""
    space = {
        "regularization.dropout.p": {"low": 0.0, "high": 0.6},
        "regularization.l1.strength": {"low": 1e-5, "high": 1e-3, "log": True},
    }
    spec = JobSpec.model_validate(
        {
            "dataset": {"builtin": "wine"},
            "training": {"epochs": 4, "seed": 3},
            "search": {"method": method, "trials": 6, "points": 3, "space": space},
        }
    )
    assert isinstance(spec.dataset, Builtin)
    rows, target = load_builtin(spec.dataset)
    outline = Outline.of(rows, spec, target)
    wave = Search(spec, outline).wave(0)
    assert wave is not None
    (planned,) = wave.plans
    run = trained(FleetRun(planned.trials, prepare(rows, spec, target)))
    losses = [result.metrics["validation_loss"] or 1e9 for result in run.results()]
    winner = losses.index(min(losses))
    trial = run.trials[winner]
    again = JobSpec.model_validate(
        {
            "dataset": {"builtin": "wine"},
            "network": trial.network.model_dump(),
            "regularization": trial.regularization.model_dump(exclude_none=True),
            "training": trial.training.model_dump(),
        }
    )
    (alone,) = plan(again, Outline.of(rows, again, target))
    plain = trained(FleetRun(alone.trials, prepare(rows, again, target)))
    assert hashed(plain, 0) == hashed(run, winner)
    assert plain.results()[0].metrics == run.results()[winner].metrics
