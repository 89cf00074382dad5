"""Fleets between the core and the database: as rows, and back from them."""

from collections.abc import Sequence

import orjson
from sqlalchemy.orm import Session

from worker.results import JobError
from worker.search import FleetPlan, Overrides, Refused, Wave
from worker.spec import Trial
from worker.storage import queries
from worker.storage.additions import NewFleet, NewTrial


def new_fleet(plan: FleetPlan) -> NewFleet:
    """The rows of a planned fleet. Each trial is stored whole, once."""
    return _fleet(
        plan.trials,
        plan.overrides or [None] * len(plan.trials),
        epochs=max(trial.training.epochs for trial in plan.trials),
    )


def new_fleets(wave: Wave) -> list[NewFleet]:
    """The rows of a wave; configurations that cannot be trained are kept as failed."""
    return [*map(new_fleet, wave.plans), *map(_refused, wave.refused)]


def _refused(refused: Refused) -> NewFleet:
    overrides = [refused.overrides] * len(refused.trials)
    return _fleet(refused.trials, overrides, epochs=0, error=JobError.of(refused.error))


def _fleet(
    trials: Sequence[Trial],
    overrides: Sequence[Overrides | None],
    epochs: int,
    error: JobError | None = None,
) -> NewFleet:
    return NewFleet(
        trials=[
            NewTrial(
                name=trial.name,
                configuration=trial.configuration,
                repeat=trial.repeat,
                fold=trial.fold,
                settings=trial.model_dump(mode="json"),
                overrides=changes,
            )
            for trial, changes in zip(trials, overrides, strict=True)
        ],
        epochs=epochs,
        error=error,
    )


def load_trials(session: Session, fleet_id: str) -> list[Trial]:
    """The trials of a fleet, by position; none of one that only plans what follows."""
    return [
        Trial.model_validate_json(orjson.dumps(settings))
        for settings in queries.settings_of(session, fleet_id)
    ]
