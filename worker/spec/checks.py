"""Rules between fields of one trial, so that what cannot train is refused at the POST."""

from worker.errors import SpecError
from worker.spec.network import MlpSpec
from worker.spec.training import AdamWSpec, SgdSpec
from worker.spec.trial import Trial


def check_trial(trial: Trial) -> None:
    """Refuse a trial whose settings contradict each other.

    Raises:
        SpecError: naming the field and the remedy.
    """
    hidden = len(trial.network.hidden) if isinstance(trial.network, MlpSpec) else 0
    techniques = trial.regularization
    if techniques.dropout is not None and isinstance(techniques.dropout.p, tuple):
        given = len(techniques.dropout.p)
        if given != hidden:
            raise SpecError(
                f"{given} probabilities for {hidden} hidden layers; give one number, or {hidden}.",
                param="regularization.dropout.p",
            )
    for name, technique in techniques.techniques():
        layers = getattr(technique, "layers", None) or ()
        if layers and max(layers) > hidden:
            raise SpecError(
                f"There is no layer {max(layers)}; layers are numbered from 0 to {hidden}.",
                param=f"regularization.{name}.layers",
            )
    optimizer = trial.training.optimizer
    decay = techniques.weight_decay
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
