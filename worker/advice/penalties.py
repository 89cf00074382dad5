"""Rules about penalties and decays: beside the data loss and the optimizer, and how strong."""

import math
from collections.abc import Iterator

from worker.advice.context import Context
from worker.regularization import L2
from worker.regularization.families import (
    Decay,
    EntryTechnique,
    Penalty,
    StrengthTechnique,
    WeightTechnique,
    is_proximal,
)
from worker.results import Advice
from worker.spec import AdamSpec, LinearSpec, SolverSpec

HARMLESS = 0.1
"""The share of the data loss that a penalty may begin at: the strength of the fix."""


def penalty_outweighs_loss(context: Context) -> Iterator[Advice]:
    """A penalty above the data loss at the start is minimized first, and the data are forgotten.

    On the 2-50-50-1 network, l1 of .01 on all parameters begins at 2.4 against .69 and ended in
    the majority class in 10 of 10 seeds; .001 begins at .24 and was fine. Both losses are known in
    closed form from how weights are drawn. A proximal step beside Adam is left out: Adam does not
    rescale it, and .01 was fine. So is the solver, which begins at 0.
    """
    optimizer = context.training.optimizer
    loss = starting_loss(context)
    if loss is None or isinstance(optimizer, SolverSpec):
        return
    values = {
        name: starting_penalty(context, technique)
        for name, technique in context.regularization.techniques()
        if isinstance(technique, Penalty)
        and not (is_proximal(technique) and isinstance(optimizer, AdamSpec))
    }
    total = sum(values.values())
    if total > loss:
        name = max(values, key=lambda name: values[name])
        share = HARMLESS * loss / total
        yield Advice(
            severity="warning",
            code="penalty_outweighs_loss",
            field=f"regularization.{name}.strength",
            message=f"On the initial weights the penalty is about {total:.2g} and the data loss "
            f"{loss:.2g}: training will shrink weights first and may never fit the data.",
            evidence={
                "penalty": round(total, 4),
                "data_loss": round(loss, 4),
                "parameters": context.layout.parameters,
                "each": {name: round(value, 4) for name, value in values.items()},
            },
            fix=f"Multiply the strength by {share:.2g}, to begin at a tenth of the data loss.",
        )


def rescaled_by_adam(context: Context) -> Iterator[Advice]:
    """Adam divides the gradient of a square by its own size: large and small weights shrink alike.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101. For g = 0, η = .1, λ = .5, w = (1, 10)
    becomes (.9, 9.9) coupled and (.95, 9.5) decoupled.
    """
    optimizer = context.training.optimizer
    if not isinstance(optimizer, AdamSpec):
        return
    for name, technique in context.regularization.techniques():
        if isinstance(technique, WeightTechnique) and _is_rescaled(technique):
            yield Advice(
                severity="warning",
                code="rescaled_by_adam",
                field=f"regularization.{name}",
                message=f"{name} goes through {optimizer.kind}, which rescales its gradient: "
                "weights shrink by equal amounts, not by equal shares, and the strength does not "
                "mean what it means under sgd.",
                evidence={"optimizer": optimizer.kind, "strength": technique.strength},
                fix='Use weight_decay with method "decoupled".',
            )


def decay_under_normalization(context: Context) -> Iterator[Advice]:
    """The scale of weights before a normalization does not matter; shrinking them speeds it up.

    Source: van Laarhoven 2017, arXiv:1706.05350.
    """
    techniques, depth = context.regularization, context.network.depth
    norm = (
        "batch_norm"
        if techniques.batch_norm is not None
        else "layer_norm"
        if techniques.layer_norm is not None
        else None
    )
    if norm is None or depth == 0:
        return
    for name, technique in techniques.techniques():
        if not isinstance(technique, L2 | Decay) or technique.strength == 0:
            continue
        layers = [n for n in range(depth) if technique.layers is None or n in technique.layers]
        if layers:
            yield Advice(
                severity="info",
                code="decay_under_normalization",
                field=f"regularization.{name}",
                message=f"{norm} undoes the scale of the weights before it, so {name} does not "
                "simplify these layers: it keeps their effective learning rate up.",
                evidence={"layers": layers, "strength": technique.strength},
                fix=f"Tune the strength together with the learning rate, or give {name} the output "
                f"layer alone: layers [{depth}].",
            )


def strength_out_of_range(context: Context) -> Iterator[Advice]:
    """Outside the usual range a strength does nothing, or leaves nothing.

    Linear networks are left alone: what is usual there depends on the data.
    """
    if isinstance(context.network, LinearSpec):
        return
    for name, technique in _active(context):
        low, high = technique.usual_range()
        if not low <= technique.strength <= high:
            weak = technique.strength < low
            yield Advice(
                severity="info",
                code="strength_out_of_range",
                field=f"regularization.{name}.strength",
                message=f"A strength of {technique.strength:g} is unusually "
                + ("low: it may do nothing." if weak else "high: it may leave nothing to learn."),
                evidence={"strength": technique.strength, "usual": [low, high]},
                fix=f"Try {low if weak else high:g}, or compare several between {low:g} and "
                f"{high:g}.",
            )


def biases_penalized(context: Context) -> Iterator[Advice]:
    """Biases and normalization parameters are few and do not overfit; held back, they underfit."""
    for name, technique in _active(context):
        if isinstance(technique, EntryTechnique) and technique.biases:
            blocks = context.layout.chosen(biases=True, layers=technique.layers)
            yield Advice(
                severity="info",
                code="biases_penalized",
                field=f"regularization.{name}.biases",
                message=f"{name} acts on biases and normalization parameters too, which only "
                "place the answer and rarely overfit.",
                evidence={
                    "weights": sum(block.count for block in blocks if block.weight),
                    "biases": sum(block.count for block in blocks if not block.weight),
                },
                fix="Leave biases at false.",
            )


def starting_loss(context: Context) -> float | None:
    """The data loss of an untrained network: ln C; 1 for a standardized regression; else none."""
    target = context.outline.target
    if target.task == "regression":
        return 1.0 if context.job.spec.preprocessing.target == "standardize" else None
    return math.log(len(target.classes))


def starting_penalty(context: Context, penalty: Penalty) -> float:
    """The expected R(w) of the initial weights in the first epoch."""
    share = 1.0
    if penalty.schedule is not None:
        share = penalty.schedule.share(0, context.training.epochs)
    scope = penalty.scope()
    blocks = context.layout.chosen(biases=scope.biases, layers=scope.layers)
    return share * penalty.strength * penalty.starting_value(blocks)


def _is_rescaled(technique: WeightTechnique) -> bool:
    return technique.strength > 0 and technique.scales_with_weights()


def _active(context: Context) -> Iterator[tuple[str, StrengthTechnique]]:
    for name, technique in context.regularization.techniques():
        if isinstance(technique, StrengthTechnique) and technique.strength > 0:
            yield name, technique
