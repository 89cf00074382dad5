"""Advice on what came out of a trial. Fields are named as in the trial's own settings."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from worker.advice.change import change_of, one_digit
from worker.advice.training import RATE, too_high
from worker.regularization.families import ActivationDropout, StrengthTechnique
from worker.results import Advice
from worker.schema import Json
from worker.spec import SolverSpec, Trial

RARE = 0.75
"""The share of the common class from which on the answer may be about that alone."""
MILD_P = 0.2
"""p of dropping that leaves enough of a layer."""
TENTH = 10
MOST_EPOCHS = 100_000


class _Fix(NamedTuple):
    field: str
    fix: str
    change: Json


def advise_on_result(
    trial: Trial, metrics: Mapping[str, float | None], *, solved: bool | None = None
) -> list[Advice]:
    """What can be said about a trained trial; ``solved`` is none where there was no solver."""
    return [*_constant_predictor(trial, metrics), *_not_solved(trial, solved)]


def _not_solved(trial: Trial, solved: bool | None) -> list[Advice]:
    epochs = trial.training.epochs
    if solved is not False:
        return []
    fix = _set("training.epochs", min(TENTH * epochs, MOST_EPOCHS))
    return [
        Advice(
            severity="warning",
            code="not_solved",
            message=f"{trial.name} ended before the solver reached its tolerance, after "
            f"{epochs:,} epochs of iterations.",
            evidence={"epochs": epochs},
            **fix._asdict(),
        )
    ]


def _constant_predictor(trial: Trial, metrics: Mapping[str, float | None]) -> list[Advice]:
    if metrics.get("train_classes_predicted") != 1:
        return []
    accuracy, balanced = metrics["train_accuracy"], metrics["train_balanced_accuracy"]
    return [
        Advice(
            severity="warning",
            code="constant_predictor",
            message=f"{trial.name} predicts one class only: its accuracy of {accuracy:.4f} is the "
            f"share of that class, its balanced accuracy is {balanced:.4f}.",
            evidence={"train_accuracy": accuracy, "train_balanced_accuracy": balanced},
            **_towards_an_answer(trial, accuracy or 0.0)._asdict(),
        )
    ]


def _towards_an_answer(trial: Trial, accuracy: float) -> _Fix:
    """What most likely keeps a network from telling classes apart: the first of these that it has.

    A learning rate that is too high, the strength that is furthest above the usual ones, heavy
    dropout, a rare class; else too little training, or a network that is too simple.
    """
    techniques = list(trial.regularization.techniques())
    rate = too_high(trial.network, trial.training, "multiclass")
    if rate is not None:
        return _set(RATE, rate)
    strengths = {
        name: technique
        for name, technique in techniques
        if isinstance(technique, StrengthTechnique) and technique.restrains()
    }
    if strengths:
        name = max(strengths, key=lambda n: strengths[n].strength / strengths[n].usual_range()[1])
        value = one_digit(strengths[name].strength / TENTH)
        return _set(f"regularization.{name}.strength", value)
    for name, technique in techniques:
        if isinstance(technique, ActivationDropout):
            rates = technique.p if isinstance(technique.p, tuple) else (technique.p,)
            if max(rates) > MILD_P:
                return _set(f"regularization.{name}.p", MILD_P)
    if accuracy >= RARE and trial.regularization.class_weights is None:
        return _set("regularization.class_weights", {})
    if isinstance(trial.training.optimizer, SolverSpec):
        return _Fix(
            "network",
            "Choose the network mlp, with the optimizer adam: no plane parts these classes.",
            {"network": {"kind": "mlp"}, "training": {"optimizer": {"kind": "adam"}}},
        )
    return _set("training.epochs", min(2 * trial.training.epochs, MOST_EPOCHS))


def _set(path: str, value: Any) -> _Fix:
    shown = f"{value:,}" if isinstance(value, int) else f"{value:g}" if value else "{}"
    return _Fix(path, f"Set it to {shown}.", change_of((path, value)))
