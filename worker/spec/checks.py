"""Rules between the settings of one trial, so that what cannot train is refused at the POST.

Whether a technique fits a network and its data it says itself (``Technique.fits``); this is what
holds between techniques, and between them and the training.
"""

from math import prod
from typing import NamedTuple

from worker.errors import SpecError
from worker.regularization import ClassWeights, DataFacts, Regularization
from worker.regularization.families import Decay, OutputPenalty, Penalty, ProximalPenalty, Stopping
from worker.spec.network import CnnSpec, LinearSpec
from worker.spec.training import (
    NEWTON_WEIGHTS,
    AdamWSpec,
    ConstantSchedule,
    CosineSchedule,
    PoissonLoss,
    QuantileLoss,
    SgdSpec,
    SolverSpec,
    Training,
)
from worker.spec.trial import Trial


class Pair(NamedTuple):
    """Two techniques that exclude each other, and why."""

    first: str
    second: str
    field: str
    """Which of them is told."""
    message: str


EXCLUSIVE = (
    Pair("ema", "swa", "swa", "A trial ends with one average of its weights; choose ema or swa."),
)
"""In every trial."""
NOT_SOLVED_TOGETHER = (
    Pair(
        "elastic_net",
        "group_lasso",
        "elastic_net",
        "A solver takes elastic_net and group_lasso apart; write the elastic net as l1 and l2.",
    ),
)
"""With a solver: their proximal steps are no joint one."""


def check_trial(trial: Trial, data: DataFacts) -> None:
    """Refuse a trial whose settings contradict each other or its data.

    Raises:
        SpecError: naming the field and the remedy.
    """
    if isinstance(trial.network, CnnSpec) and len(data.shape) not in {2, 3}:
        raise SpecError(
            f"A cnn needs images (C, H, W) or series (C, L), and a row is of shape {data.shape}; "
            "choose mlp or residual_mlp.",
            param="network.kind",
        )
    if trial.network.embeds is not None and (len(data.shape) > 1 or data.numbers == 0):
        raise SpecError(
            "There is no column of numbers or dates to embed; leave the embedding out.",
            param="network.embedding",
        )
    for name, technique in trial.regularization.techniques():
        misfit = technique.fits(trial.network, data)
        if misfit is not None and misfit.refused:
            raise SpecError(misfit.message, param=misfit.param(name))
        factors = technique.factors if isinstance(technique, ProximalPenalty) else None
        if factors is not None and trial.network.embeds is not None:
            raise SpecError(
                "Factors are of a first layer that takes the columns as they are; leave them out, "
                "or the embedding.",
                param=f"regularization.{name}.factors",
            )
    _check_pairs(trial.regularization, EXCLUSIVE)
    _check_optimizer(trial.regularization, trial.training)
    _check_snapshots(trial.regularization, trial.training)
    _check_loss(trial)
    if isinstance(trial.training.optimizer, SolverSpec):
        _check_solver(trial, data)


def _check_pairs(regularization: Regularization, pairs: tuple[Pair, ...]) -> None:
    on = {name for name, _ in regularization.techniques()}
    for pair in pairs:
        if {pair.first, pair.second} <= on:
            raise SpecError(pair.message, param=f"regularization.{pair.field}")


def _check_optimizer(regularization: Regularization, training: Training) -> None:
    optimizer, decay = training.optimizer, regularization.weight_decay
    if isinstance(optimizer, AdamWSpec) and decay is not None and decay.method == "coupled":
        raise SpecError(
            "AdamW means decoupled decay; for coupled decay choose the optimizer adam.",
            param="regularization.weight_decay.method",
        )
    if isinstance(optimizer, SgdSpec) and optimizer.nesterov and optimizer.momentum == 0:
        raise SpecError(
            "Nesterov needs momentum above 0; 0.9 is usual.",
            param="training.optimizer.nesterov",
        )


def _check_snapshots(regularization: Regularization, training: Training) -> None:
    ensemble, schedule = regularization.snapshot_ensemble, training.schedule
    if ensemble is None:
        return
    param = "regularization.snapshot_ensemble.members"
    if training.epochs < ensemble.members:
        raise SpecError(
            f"{training.epochs} epochs hold no {ensemble.members} cycles; train longer, or ask for "
            "fewer members.",
            param=param,
        )
    if isinstance(schedule, ConstantSchedule):
        return
    if not isinstance(schedule, CosineSchedule) or schedule.first_period is None:
        raise SpecError(
            "Snapshots need a learning rate that restarts; leave the schedule constant (the "
            "ensemble brings its own cycles), or choose cosine with first_period.",
            param="training.schedule",
        )
    cycles = len(schedule.periods(training.epochs))
    if cycles < ensemble.members:
        raise SpecError(
            f"The schedule has {cycles} cycles for {ensemble.members} members; shorten "
            "training.schedule.first_period, or ask for fewer.",
            param=param,
        )


def _check_loss(trial: Trial) -> None:
    if isinstance(trial.training.loss, PoissonLoss) and trial.regularization.snapshot_ensemble:
        raise SpecError(
            "The members of a snapshot_ensemble answer with the mean of their scores, which are "
            "logarithms with the loss poisson; choose ema or swa.",
            param="regularization.snapshot_ensemble",
        )


def _check_solvable(trial: Trial, optimizer: SolverSpec, data: DataFacts) -> None:
    """Whether the loss is one that the solver's method can minimize."""
    loss = trial.training.loss
    if isinstance(loss, QuantileLoss):
        raise SpecError(
            "A quantile loss bends nowhere, so that no solver reaches its optimum exactly; choose "
            "the optimizer adam, which comes near.",
            param="training.optimizer.kind",
        )
    if not isinstance(loss, PoissonLoss):
        return
    if optimizer.method == "proximal_gradient":
        raise SpecError(
            "The curvature of a poisson loss has no bound from which a gradient step could be "
            "chosen; set the method to newton.",
            param="training.optimizer.method",
        )
    weights = prod(data.shape) + 1
    if optimizer.method == "auto" and weights > NEWTON_WEIGHTS:
        raise SpecError(
            f"A poisson loss is solved by Newton's method alone, and auto takes that up to "
            f"{NEWTON_WEIGHTS:,} weights, not for {weights:,}; set the method to newton, or choose "
            "the optimizer adam.",
            param="training.optimizer.method",
        )


def _check_solver(trial: Trial, data: DataFacts) -> None:
    if isinstance(trial.training.optimizer, SolverSpec):
        _check_solvable(trial, trial.training.optimizer, data)
    if not isinstance(trial.network, LinearSpec):
        raise SpecError(
            "A solver finds the optimum of linear networks alone; choose the network linear, or "
            "another optimizer.",
            param="training.optimizer.kind",
        )
    if not isinstance(trial.training.schedule, ConstantSchedule):
        raise SpecError(
            "A solver has no learning rate to schedule; leave the schedule out.",
            param="training.schedule",
        )
    if trial.training.precision != "float32":
        raise SpecError(
            "A solver works in float64; leave the precision out.", param="training.precision"
        )
    for name, technique in trial.regularization.techniques():
        if isinstance(technique, ProximalPenalty):
            if technique.schedule is not None:
                raise SpecError(
                    "The optimum is that of one strength; leave the schedule out.",
                    param=f"regularization.{name}.schedule",
                )
        elif isinstance(technique, Penalty | OutputPenalty):
            raise SpecError(
                f"A solver takes proximal steps, and {name} has none. Leave it out, or choose "
                "another optimizer.",
                param=f"regularization.{name}",
            )
        elif isinstance(technique, Decay):
            raise SpecError(
                "A solver makes no updates at which weights could decay. The penalty with the same "
                f"optimum is l2 with a strength of {technique.strength / 2:g}; write that, or "
                "choose another optimizer.",
                param=f"regularization.{name}",
            )
        elif not isinstance(technique, ClassWeights | Stopping):
            raise SpecError(
                f"A solver minimizes a loss with class weights and penalties, and {name} is "
                "neither. Leave it out, or choose another optimizer.",
                param=f"regularization.{name}",
            )
    _check_pairs(trial.regularization, NOT_SOLVED_TOGETHER)
