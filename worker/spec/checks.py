"""Rules between fields of one trial, so that what cannot train is refused at the POST."""

from worker.errors import SpecError
from worker.regularization.families.branch import BranchDropout, BranchMerge
from worker.regularization.families.dropout import ActivationDropout
from worker.spec.network import Structure
from worker.spec.training import AdamWSpec, SgdSpec
from worker.spec.trial import Trial


def check_trial(trial: Trial) -> None:
    """Refuse a trial whose settings contradict each other.

    Raises:
        SpecError: naming the field and the remedy.
    """
    network, techniques = trial.network, trial.regularization
    for name, technique in techniques.techniques():
        param = f"regularization.{name}"
        if isinstance(technique, ActivationDropout):
            _check_dropout(technique, network, param)
        if isinstance(technique, BranchDropout | BranchMerge) and not network.residual_blocks:
            raise SpecError(
                f"{name} acts on residual branches, and a {network.kind} has none; choose the "
                "network residual_mlp, or dropout.",
                param=param,
            )
        layers = getattr(technique, "layers", None) or ()
        if layers and max(layers) > network.depth:
            raise SpecError(
                f"There is no layer {max(layers)}; layers are numbered from 0 to {network.depth}.",
                param=f"{param}.layers",
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


def _check_dropout(technique: ActivationDropout, network: Structure, param: str) -> None:
    if technique.needs_maps and not network.conv_layers:
        raise SpecError(
            "It drops feature maps, and this network has none; choose the network cnn, or dropout.",
            param=param,
        )
    places = network.conv_layers if technique.needs_maps else network.dropout_sites
    if isinstance(technique.p, tuple) and len(technique.p) != places:
        where = (
            "blocks"
            if network.residual_blocks
            else "convolutions"
            if network.conv_layers
            else "hidden layers"
        )
        where = "layers" if network.conv_layers and not technique.needs_maps else where
        raise SpecError(
            f"{len(technique.p)} probabilities for {places} {where}; give one number, or {places}.",
            param=f"{param}.p",
        )
