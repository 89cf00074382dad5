"""Rules about dropouts: beside normalization and SELU, where they act, and how strongly."""

from collections.abc import Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration
from worker.regularization.families.dropout import ActivationDropout

HEAVY = 0.3
USUAL_HIDDEN: dict[str, tuple[float, float]] = {
    "dropout": (0.1, 0.5),
    "spatial_dropout": (0.1, 0.5),
    "alpha_dropout": (0.05, 0.3),
    "drop_connect": (0.1, 0.5),
}
USUAL_INPUT = (0.1, 0.3)


def dropout_with_batch_norm(configuration: Configuration) -> Iterator[Advice]:
    """Batch norm learns its statistics of thinned-out units, and meets all of them in eval mode.

    Within a layer dropout comes after the norm here, but that of one layer still comes before the
    norm of the next. Li et al. 2018, arXiv:1801.05134: a DenseNet on CIFAR-100 had 77.42 %
    without, 68.55 % with dropout .5 in every bottleneck.
    """
    if configuration.regularization.batch_norm is None or configuration.network.depth == 0:
        return
    for name, technique in _dropouts(configuration):
        rates = _rates(configuration, technique)
        # After the last norm nothing is normalized; a residual block's sum always is.
        before = rates if configuration.network.residual_blocks else rates[:-1]
        places = [place for place, p in enumerate(before) if p > 0]
        shifts = bool(places) or technique.input_p > 0
        largest = max((technique.input_p, *rates))
        evidence = {"p": largest, "input_p": technique.input_p, "before": places}
        if largest >= HEAVY:
            yield Advice(
                severity="warning" if shifts else "info",
                code="heavy_dropout_with_batch_norm",
                field=f"regularization.{name}.p",
                message=f"{name} of {largest:g} together with batch norm, which regularizes too"
                + (
                    "; and it comes before a batch norm, whose variances in eval mode are not "
                    "those of training."
                    if shifts
                    else "."
                ),
                evidence=evidence,
                fix="Lower p to 0.1 or 0.2, drop after the last norm alone, or use layer_norm.",
            )
        elif shifts:
            yield Advice(
                severity="info",
                code="dropout_before_batch_norm",
                field=f"regularization.{name}.p",
                message=f"{name} comes before the batch norm of a later layer, whose variances in "
                "eval mode are not those of training.",
                evidence=evidence,
                fix="Drop after the last norm alone (p 0 for the other layers), or use layer_norm.",
            )


def alpha_dropout_without_selu(configuration: Configuration) -> Iterator[Advice]:
    """Alpha dropout sets units to SELU's lowest value; no other activation has it."""
    if configuration.regularization.alpha_dropout is None or configuration.activation == "selu":
        return
    activation = configuration.activation or "none"
    yield Advice(
        severity="warning",
        code="alpha_dropout_without_selu",
        field="regularization.alpha_dropout",
        message="alpha_dropout keeps the mean and variance of SELU's activations alone; the "
        f"network's activation is {activation}.",
        evidence={"activation": activation},
        fix="Use dropout, or set network.activation to selu.",
    )


def dropout_with_selu(configuration: Configuration) -> Iterator[Advice]:
    """Dropout changes the variance that SELU keeps: of N(0, 1) it makes 1 / (1 − p)."""
    dropout = configuration.regularization.dropout
    if dropout is None or configuration.activation != "selu":
        return
    p = max((dropout.input_p, *_rates(configuration, dropout)))
    if p > 0:
        yield Advice(
            severity="warning",
            code="dropout_with_selu",
            field="regularization.dropout",
            message="SELU keeps its activations at variance 1, which dropout multiplies by "
            f"{1 / (1 - p):.3g} in training.",
            evidence={"p": p, "variance": round(1 / (1 - p), 4)},
            fix="Use alpha_dropout, with p of 0.05 to 0.1.",
        )


def dropout_out_of_range(configuration: Configuration) -> Iterator[Advice]:
    """p of hidden layers: below .1 it does little, above .5 most of a layer is missing."""
    techniques = configuration.regularization
    found = {name: technique.p for name, technique in _dropouts(configuration)}
    if techniques.drop_connect is not None:
        found["drop_connect"] = techniques.drop_connect.p
    for name, given in found.items():
        if name not in USUAL_HIDDEN:
            continue
        low, high = USUAL_HIDDEN[name]
        each = given if isinstance(given, tuple) else (given,)
        outside = [p for p in each if p and not low <= p <= high]
        if outside:
            yield _unusual(f"{name}.p", outside[0], low, high)


def input_dropout_out_of_range(configuration: Configuration) -> Iterator[Advice]:
    """p of the input: a feature that is dropped is lost, no other unit carries it."""
    low, high = USUAL_INPUT
    for name, technique in _dropouts(configuration):
        if technique.input_p and not low <= technique.input_p <= high:
            yield _unusual(f"{name}.input_p", technique.input_p, low, high)


def dropout_on_output(configuration: Configuration) -> Iterator[Advice]:
    """Dropping at the output makes the answer itself random. Only drop_connect can be asked to."""
    technique, depth = configuration.regularization.drop_connect, configuration.network.depth
    if technique is None or not technique.p or not depth or depth not in (technique.layers or ()):
        return
    yield Advice(
        severity="warning",
        code="dropout_on_output",
        field="regularization.drop_connect.layers",
        message=f"drop_connect drops weights of the output layer, number {depth}: nothing after "
        "it can make up for what is missing.",
        evidence={"layers": list(technique.layers or ()), "output": depth, "p": technique.p},
        fix=f"Leave layer {depth} out.",
    )


def dropout_without_effect(configuration: Configuration) -> Iterator[Advice]:
    """Dropout acts after hidden layers; a linear network has none."""
    if configuration.network.depth:
        return
    for name, technique in _dropouts(configuration):
        if technique.input_p == 0:
            yield Advice(
                severity="warning",
                code="dropout_without_effect",
                field=f"regularization.{name}",
                message=f"{name} acts after hidden layers, and the network has none.",
                evidence={"hidden_layers": 0, "input_p": 0.0},
                fix=f"Set regularization.{name}.input_p, or choose the network mlp.",
            )


def _dropouts(configuration: Configuration) -> Iterator[tuple[str, ActivationDropout]]:
    for name, technique in configuration.regularization.techniques():
        if isinstance(technique, ActivationDropout):
            yield name, technique


def _rates(configuration: Configuration, technique: ActivationDropout) -> tuple[float, ...]:
    """p at each place; none where a network has no place for it."""
    network = configuration.network
    places = network.conv_layers if technique.needs_maps else network.dropout_sites
    return technique.rates(places) if places else ()


def _unusual(field: str, p: float, low: float, high: float) -> Advice:
    effect = "it does little" if p < low else "little of a layer is left"
    return Advice(
        severity="info",
        code="dropout_out_of_range",
        field=f"regularization.{field}",
        message=f"A p of {p:g} is unusual: {effect}.",
        evidence={"p": p, "usual": [low, high]},
        fix=f"Try {low if p < low else high:g}; usual is {low:g} to {high:g}.",
    )
