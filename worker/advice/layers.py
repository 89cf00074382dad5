"""Rules about what techniques put between layers: dropouts and normalizations."""

import json
from collections.abc import Iterator

from worker.advice.change import Remedy, change_of
from worker.advice.context import Context
from worker.regularization import DropConnect
from worker.regularization.families import ActivationDropout, Normalization
from worker.results import Advice

HEAVY, LIGHT = 0.3, 0.2
"""p beside batch norm: too much, and enough."""
USUAL_INPUT = (0.1, 0.3)
USUAL_BATCH = 32
ALPHA = 0.1
"""p of alpha dropout."""


def dropout_with_batch_norm(context: Context) -> Iterator[Advice]:
    """Batch norm learns its statistics of thinned-out units, and meets all of them in eval mode.

    Within a layer dropout comes after the norm here, but that of one layer still comes before the
    norm of the next. Li et al. 2018, arXiv:1801.05134: a DenseNet on CIFAR-100 had 77.42 %
    without, 68.55 % with dropout .5 in every bottleneck.
    """
    if context.regularization.batch_norm is None or context.network.depth == 0:
        return
    for name, technique in _dropouts(context):
        rates = _rates(context, technique)
        # After the last norm nothing is normalized; a residual block's sum always is.
        before = rates if context.network.residual_blocks else rates[:-1]
        places = [place for place, p in enumerate(before) if p > 0]
        shifts = bool(places) or technique.input_p > 0
        largest = max((technique.input_p, *rates))
        evidence = {"p": largest, "input_p": technique.input_p, "before": places}
        field = "p" if max(rates, default=0.0) >= min(largest, HEAVY) else "input_p"
        field = f"regularization.{name}.{field}"
        if largest >= HEAVY:
            yield Advice(
                severity="warning" if shifts else "info",
                code="heavy_dropout_with_batch_norm",
                field=field,
                message=f"{name} of {largest:g} together with batch norm, which regularizes too"
                + (
                    "; and it comes before a batch norm, whose variances in eval mode are not "
                    "those of training."
                    if shifts
                    else "."
                ),
                evidence=evidence,
                fix=f"Set it to {LIGHT:g}.",
                change=change_of((field, LIGHT)),
            )
        elif shifts:
            yield Advice(
                severity="info",
                code="dropout_before_batch_norm",
                field="regularization.batch_norm",
                message=f"{name} comes before the batch norm of a later layer, whose variances in "
                "eval mode are not those of training.",
                evidence=evidence,
                fix="Put layer_norm in its place, which keeps no averages.",
                change=change_of(
                    ("regularization.batch_norm", None), ("regularization.layer_norm", {})
                ),
            )


def alpha_dropout_without_selu(context: Context) -> Iterator[Advice]:
    """Alpha dropout sets units to SELU's lowest value; no other activation has it."""
    if context.regularization.alpha_dropout is None or context.activation == "selu":
        return
    activation = context.activation or "none"
    yield Advice(
        severity="warning",
        code="alpha_dropout_without_selu",
        field="regularization.alpha_dropout",
        message="alpha_dropout keeps the mean and variance of SELU's activations alone; the "
        f"network's activation is {activation}.",
        evidence={"activation": activation},
        fix=f"Put dropout with p of {LIGHT:g} in its place.",
        change=change_of(
            ("regularization.alpha_dropout", None), ("regularization.dropout.p", LIGHT)
        ),
    )


def dropout_with_selu(context: Context) -> Iterator[Advice]:
    """Dropout changes the variance that SELU keeps: of N(0, 1) it makes 1 / (1 − p)."""
    dropout = context.regularization.dropout
    if dropout is None or context.activation != "selu":
        return
    p = max((dropout.input_p, *_rates(context, dropout)))
    if p > 0:
        yield Advice(
            severity="warning",
            code="dropout_with_selu",
            field="regularization.dropout",
            message="SELU keeps its activations at variance 1, which dropout multiplies by "
            f"{1 / (1 - p):.3g} in training.",
            evidence={"p": p, "variance": round(1 / (1 - p), 4)},
            fix=f"Put alpha_dropout with p of {ALPHA:g} in its place.",
            change=change_of(
                ("regularization.dropout", None), ("regularization.alpha_dropout.p", ALPHA)
            ),
        )


def dropout_out_of_range(context: Context) -> Iterator[Advice]:
    """p of hidden layers: below .1 it does little, above .5 most of a layer is missing."""
    for name, technique in context.regularization.techniques():
        if not isinstance(technique, ActivationDropout | DropConnect):
            continue
        low, high = technique.usual_p
        rates = technique.p if isinstance(technique.p, tuple) else (technique.p,)
        outside = [p for p in rates if p and not low <= p <= high]
        if outside:
            mended = [min(max(p, low), high) if p else p for p in rates]
            value = mended if isinstance(technique.p, tuple) else mended[0]
            yield _unusual(f"{name}.p", outside[0], low, high, value)


def input_dropout_out_of_range(context: Context) -> Iterator[Advice]:
    """p of the input: a feature that is dropped is lost, no other unit carries it."""
    low, high = USUAL_INPUT
    for name, technique in _dropouts(context):
        if technique.input_p and not low <= technique.input_p <= high:
            value = min(max(technique.input_p, low), high)
            yield _unusual(f"{name}.input_p", technique.input_p, low, high, value)


def dropout_on_output(context: Context) -> Iterator[Advice]:
    """Dropping at the output makes the answer itself random. Only drop_connect can be asked to."""
    technique, depth = context.regularization.drop_connect, context.network.depth
    if technique is None or not technique.p or not depth or depth not in (technique.layers or ()):
        return
    others = [layer for layer in technique.layers or () if layer != depth]
    path = "regularization.drop_connect"
    yield Advice(
        severity="warning",
        code="dropout_on_output",
        field="regularization.drop_connect.layers",
        message=f"drop_connect drops weights of the output layer, number {depth}: nothing after "
        "it can make up for what is missing.",
        evidence={"layers": list(technique.layers or ()), "output": depth, "p": technique.p},
        fix=f"Leave layer {depth} out: set layers to {others}."
        if others
        else "Leave layers out: without, it drops weights of all layers but the output.",
        change=change_of((f"{path}.layers", others or None)),
    )


def dropout_without_effect(context: Context) -> Iterator[Advice]:
    """Dropout acts after hidden layers; a linear network has none."""
    if context.network.depth:
        return
    for name, technique in _dropouts(context):
        misfit = technique.fits(context.network, context.data)
        if misfit is not None and not misfit.refused:
            path = f"regularization.{name}.input_p"
            yield Advice(
                severity="warning",
                code="dropout_without_effect",
                field=path,
                message=misfit.message,
                evidence={"hidden_layers": 0, "input_p": 0.0},
                fix=f"Set input_p to {LIGHT:g}: inputs can be dropped.",
                change=change_of((path, LIGHT)),
            )


def batch_of_one(context: Context) -> Iterator[Advice]:
    """One row has no variance: what a dense layer says of it is normalized to 0."""
    size = min(context.training.batch_size, *context.outline.train_rows)
    if size == 1 and _normalizes_units(context):
        yield Advice(
            severity="warning",
            code="batch_of_one",
            field="training.batch_size",
            message="Batch norm over a single row normalizes every unit of a dense layer to 0: "
            "nothing passes in training.",
            evidence={
                "batch_size": context.training.batch_size,
                "train_rows": min(context.outline.train_rows),
            },
            **_batches(min(context.outline.train_rows)),
        )


def last_batch_of_one(context: Context) -> Iterator[Advice]:
    """A last batch of one row is left out, of another row in each epoch."""
    size = context.training.batch_size
    rows = [n for n in context.outline.train_rows if n > size > 1 and n % size == 1]
    if rows and _normalizes_units(context):
        value = size - 1 if size > 2 and rows[0] % (size - 1) != 1 else size + 1
        yield Advice(
            severity="info",
            code="last_batch_of_one",
            field="training.batch_size",
            message=f"{rows[0]:,} training rows in batches of {size} leave a last batch of one, "
            "which batch norm cannot normalize: each epoch trains without one of the rows.",
            evidence={"train_rows": rows[0], "batch_size": size},
            fix=f"Set it to {value}, so that every row counts in every epoch.",
            change=change_of(("training.batch_size", value)),
        )


def _batches(rows: int) -> Remedy:
    """Batches that can be normalized, where there are rows for them."""
    if rows < 2:
        return {
            "fix": "Put layer_norm in its place, which needs one row alone.",
            "change": change_of(
                ("regularization.batch_norm", None), ("regularization.layer_norm", {})
            ),
        }
    value = min(USUAL_BATCH, rows)
    return {"fix": f"Set it to {value}.", "change": change_of(("training.batch_size", value))}


def _dropouts(context: Context) -> Iterator[tuple[str, ActivationDropout]]:
    for name, technique in context.regularization.techniques():
        if isinstance(technique, ActivationDropout):
            yield name, technique


def _rates(context: Context, technique: ActivationDropout) -> tuple[float, ...]:
    """p at each place; none where a network has no place for it."""
    sites = technique.sites(context.network)
    return technique.rates(sites) if sites else ()


def _unusual(field: str, p: float, low: float, high: float, value: float | list[float]) -> Advice:
    effect = "it does little" if p < low else "little of a layer is left"
    return Advice(
        severity="info",
        code="dropout_out_of_range",
        field=f"regularization.{field}",
        message=f"A p of {p:g} is unusual: {effect}.",
        evidence={"p": p, "usual": [low, high]},
        fix=f"Set it to {json.dumps(value)}; usual is {low:g} to {high:g}.",
        change=change_of((f"regularization.{field}", value)),
    )


def _normalizes_units(context: Context) -> bool:
    """Whether a dense layer is normalized over the batch; a map has its positions besides."""
    network = context.network
    return network.depth > network.conv_layers and any(
        isinstance(technique, Normalization) and technique.needs_batch
        for _, technique in context.regularization.techniques()
    )
