"""Rules between techniques that keep weights and how a trial is trained."""

from worker.errors import SpecError
from worker.regularization.families.penalty import Penalty
from worker.regularization.families.stopping import Stopping
from worker.spec.network import LinearSpec
from worker.spec.training import ConstantSchedule, CosineSchedule, SolverSpec
from worker.spec.trial import Trial


def check_training(trial: Trial) -> None:
    """Refuse averages, snapshots and solvers that contradict the rest of the trial.

    Raises:
        SpecError: naming the field and the remedy.
    """
    techniques = trial.regularization
    if techniques.ema is not None and techniques.swa is not None:
        raise SpecError(
            "A trial ends with one average of its weights; choose ema or swa.",
            param="regularization.swa",
        )
    _check_snapshots(trial)
    if isinstance(trial.training.optimizer, SolverSpec):
        _check_solver(trial)


def _check_snapshots(trial: Trial) -> None:
    ensemble, training = trial.regularization.snapshot_ensemble, trial.training
    if ensemble is None:
        return
    schedule, param = training.schedule, "regularization.snapshot_ensemble.members"
    if training.epochs < ensemble.members:
        raise SpecError(
            f"{training.epochs} epochs hold no {ensemble.members} cycles; train longer, or ask for "
            "fewer members.",
            param=param,
        )
    restarts = isinstance(schedule, CosineSchedule) and schedule.first_period is not None
    if not restarts and not isinstance(schedule, ConstantSchedule):
        raise SpecError(
            "Snapshots need a learning rate that restarts; leave the schedule constant (the "
            "ensemble brings its own cycles), or choose cosine with first_period.",
            param="training.schedule",
        )
    if isinstance(schedule, CosineSchedule) and schedule.first_period is not None:
        found, end = 1, schedule.first_period
        while end < training.epochs:
            found, end = found + 1, end + schedule.first_period * schedule.multiplier**found
        if found < ensemble.members:
            raise SpecError(
                f"The schedule has {found} cycles for {ensemble.members} members; shorten "
                "training.schedule.first_period, or ask for fewer.",
                param=param,
            )


def _check_solver(trial: Trial) -> None:
    techniques = trial.regularization
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
    for name, technique in techniques.techniques():
        if not isinstance(technique, Penalty | Stopping):
            raise SpecError(
                f"A solver finds the optimum of a loss with penalties; {name} changes how it is "
                "approached. Leave it out, or choose another optimizer.",
                param=f"regularization.{name}",
            )
        if isinstance(technique, Penalty) and technique.schedule is not None:
            raise SpecError(
                "The optimum is that of one strength; leave the schedule out.",
                param=f"regularization.{name}.schedule",
            )
    if techniques.elastic_net is not None and techniques.group_lasso is not None:
        raise SpecError(
            "A solver takes elastic_net and group_lasso apart; write the elastic net as l1 and l2.",
            param="regularization.elastic_net",
        )
