"""What came of the trials of a fleet, and where it puts them on the leaderboard."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.storage.states import State
from worker.storage.tables import UNSCORED, Fleet, Job, TrialRow


@dataclass(frozen=True)
class Outcome:
    """What came of one trial, in fleet order; ``state`` succeeded, failed or cancelled."""

    state: str
    metrics: dict[str, Any] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int | None = None
    error: dict[str, Any] | None = None
    advice: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] | None = None
    halved_at: int | None = None


@dataclass(frozen=True)
class Result:
    """Where a fleet's result file lies, and what it must hash to."""

    path: str
    sha256: str
    bytes: int


def store(session: Session, job: Job, fleet: Fleet, outcomes: Sequence[Outcome]) -> list[TrialRow]:
    """Write the outcomes into the fleet's trials, which are given back in order."""
    query = select(TrialRow).where(TrialRow.fleet_id == fleet.id).order_by(TrialRow.position)
    trials = list(session.scalars(query))
    if len(trials) != len(outcomes):
        raise ValueError(
            f"fleet {fleet.id} has {len(trials)} trials, {len(outcomes)} outcomes given"
        )
    for trial, outcome in zip(trials, outcomes, strict=True):
        trial.state = State(outcome.state)
        trial.metrics = outcome.metrics
        trial.epochs = outcome.epochs
        trial.best_epoch = outcome.best_epoch
        trial.error = outcome.error
        trial.advice = outcome.advice
        trial.report = outcome.report
        trial.halved_at = outcome.halved_at
        _place(trial, job)
    return trials


def competes(settings: Mapping[str, Any]) -> bool:
    """Whether a trial may win; one that leaves a technique out, or trains a winner once more on
    more rows, only shows what that brings.
    """
    return settings.get("without") is None and settings.get("refit") is None


def score(metrics: Mapping[str, Any], job: Job) -> float | None:
    """The objective, negative where more is better; none when it is no finite number."""
    value = metrics.get(job.objective)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return -float(value) if job.maximize else float(value)


def _place(trial: TrialRow, job: Job) -> None:
    found = score(trial.metrics, job) if trial.state == State.SUCCEEDED else None
    # One that halving sent away was worse than others at that epoch, whatever they came to later.
    behind = found is None or trial.halved_at is not None
    trial.standing = (0 if competes(trial.settings) else 2) + behind
    trial.score = UNSCORED if found is None else found
