"""Rules about penalties and decays: beside the data loss and the optimizer, and how strong."""

import math
from collections.abc import Iterator
from itertools import pairwise

from worker.advice.change import Remedy, change_of, one_digit
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
UNNOTICED = 0.01
"""The share of the data loss below which a penalty may do nothing."""
METHODS_BESIDE_ADAM = {"weight_decay": "decoupled", "elastic_net": "proximal"}
"""How a square acts beside Adam's step instead of through it."""
USUAL_DECAY = 0.01
"""The strength of a decoupled decay to begin with."""


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
        strength = getattr(context.regularization, name).strength
        value = one_digit(strength * HARMLESS * loss / values[name])
        path = f"regularization.{name}.strength"
        yield Advice(
            severity="warning",
            code="penalty_outweighs_loss",
            field=path,
            message=f"On the initial weights the penalty is about {total:.2g} and the data loss "
            f"{loss:.2g}: training will shrink weights first and may never fit the data.",
            evidence={
                "penalty": round(total, 4),
                "data_loss": round(loss, 4),
                "parameters": context.layout.parameters,
                "each": {name: round(value, 4) for name, value in values.items()},
            },
            fix=f"Set the strength of {name} to {value:g}: it begins at about a tenth of the data "
            "loss then.",
            change=change_of((path, value)),
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
                **_beside_adam(context, name),
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
                field=f"regularization.{name}.layers",
                message=f"{norm} undoes the scale of the weights before it, so {name} does not "
                "simplify these layers: it keeps their effective learning rate up.",
                evidence={"layers": layers, "strength": technique.strength},
                fix=f"Give {name} the output layer alone: set its layers to [{depth}].",
                change=change_of((f"regularization.{name}.layers", [depth])),
            )


def penalties_add_up(context: Context) -> Iterator[Advice]:
    """`l2`, `weight_decay` and the square of `elastic_net` do the same to the same weights; so do
    `l1` and the kink of `elastic_net`.
    """
    techniques = context.regularization
    elastic, named = techniques.elastic_net, dict(_active(context))
    squares = [name for name in ("elastic_net", "weight_decay", "l2") if name in named]
    kinks = [name for name in ("elastic_net", "l1") if name in named]
    if elastic is not None and elastic.l1_ratio == 1:
        squares = [name for name in squares if name != "elastic_net"]
    if elastic is not None and elastic.l1_ratio == 0:
        kinks = [name for name in kinks if name != "elastic_net"]
    for alike, how in ((squares, "in proportion to their size"), (kinks, "by equal amounts")):
        for kept, name in pairwise(alike):
            if _on_the_same(named[kept], named[name]):
                yield Advice(
                    severity="info",
                    code="penalties_add_up",
                    field=f"regularization.{name}",
                    message=f"{name} and {kept} both shrink weights {how}: neither strength alone "
                    "says how strongly.",
                    evidence={n: named[n].strength for n in (name, kept)},
                    fix=f"Leave {name} out, and set the strength of {kept} alone.",
                    change=change_of((f"regularization.{name}", None)),
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
            if weak and _is_noticed(context, technique):
                continue
            path, value = f"regularization.{name}.strength", low if weak else high
            yield Advice(
                severity="info",
                code="strength_out_of_range",
                field=path,
                message=f"A strength of {technique.strength:g} is unusually "
                + ("low: it may do nothing." if weak else "high: it may leave nothing to learn."),
                evidence={"strength": technique.strength, "usual": [low, high]},
                fix=f"Set it to {value:g}; usual is {low:g} to {high:g}.",
                change=change_of((path, value)),
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
                change=change_of((f"regularization.{name}.biases", False)),
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


def _is_noticed(context: Context, technique: StrengthTechnique) -> bool:
    """Whether a penalty of many weights is no trifle beside the data loss for all its strength."""
    loss = starting_loss(context)
    if loss is None or not isinstance(technique, Penalty):
        return False
    return starting_penalty(context, technique) > UNNOTICED * loss


def _on_the_same(one: StrengthTechnique, other: StrengthTechnique) -> bool:
    """Whether two techniques act on a layer in common."""
    if not isinstance(one, WeightTechnique) or not isinstance(other, WeightTechnique):
        return False
    first, second = one.scope().layers, other.scope().layers
    return first is None or second is None or bool(set(first) & set(second))


def _beside_adam(context: Context, name: str) -> Remedy:
    """What to put in the place of a square that goes through Adam."""
    path, decay = f"regularization.{name}", "regularization.weight_decay.strength"
    if name in METHODS_BESIDE_ADAM:
        method = METHODS_BESIDE_ADAM[name]
        fix, change = f'Set its method to "{method}".', change_of((f"{path}.method", method))
    elif context.regularization.weight_decay is not None:
        fix, change = f"Leave {name} out; weight_decay is there already.", change_of((path, None))
    else:
        fix = f"Put weight_decay with a strength of {USUAL_DECAY:g} in its place."
        change = change_of((path, None), (decay, USUAL_DECAY))
    return {"fix": fix, "change": change}


def _is_rescaled(technique: WeightTechnique) -> bool:
    return technique.strength > 0 and technique.scales_with_weights()


def _active(context: Context) -> Iterator[tuple[str, StrengthTechnique]]:
    for name, technique in context.regularization.techniques():
        if isinstance(technique, StrengthTechnique) and technique.strength > 0:
            yield name, technique
