"""Rules about what penalties and decays do beside the data loss and the optimizer."""

import math
from collections.abc import Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration
from worker.networks.layout import Block
from worker.regularization import L1, L2, ElasticNet, GroupLasso
from worker.regularization.families.decay import Decay
from worker.regularization.families.penalty import Penalty, WeightTechnique, is_proximal
from worker.spec import AdamSpec, SolverSpec

HARMLESS = 0.1
"""The share of the data loss that a penalty may begin at: the strength of the fix."""


def penalty_outweighs_loss(configuration: Configuration) -> Iterator[Advice]:
    """A penalty above the data loss at the start is minimized first, and the data are forgotten.

    On the 2-50-50-1 network, l1 of .01 on all parameters begins at 2.4 against .69 and ended in
    the majority class in 10 of 10 seeds; .001 begins at .24 and was fine. Both losses are known in
    closed form from how weights are drawn. A proximal step beside Adam is left out: Adam does not
    rescale it, and .01 was fine. So is the solver, which begins at 0.
    """
    optimizer = configuration.training.optimizer
    loss = starting_loss(configuration)
    if loss is None or isinstance(optimizer, SolverSpec):
        return
    each = {
        name: starting_penalty(configuration, technique)
        for name, technique in configuration.regularization.techniques()
        if isinstance(technique, Penalty)
        and not (is_proximal(technique) and isinstance(optimizer, AdamSpec))
    }
    total = sum(each.values())
    if total > loss:
        name = max(each, key=lambda name: each[name])
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
                "parameters": configuration.layout.parameters,
                "each": {name: round(value, 4) for name, value in each.items()},
            },
            fix=f"Multiply the strength by {share:.2g}, to begin at a tenth of the data loss.",
        )


def rescaled_by_adam(configuration: Configuration) -> Iterator[Advice]:
    """Adam divides the gradient of a square by its own size: large and small weights shrink alike.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101. For g = 0, η = .1, λ = .5, w = (1, 10)
    becomes (.9, 9.9) coupled and (.95, 9.5) decoupled.
    """
    optimizer = configuration.training.optimizer
    if not isinstance(optimizer, AdamSpec):
        return
    for name, technique in configuration.regularization.techniques():
        if isinstance(technique, WeightTechnique) and _squares_in_gradient(technique):
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


def decay_under_normalization(configuration: Configuration) -> Iterator[Advice]:
    """The scale of weights before a normalization does not matter; shrinking them speeds it up.

    Source: van Laarhoven 2017, arXiv:1706.05350.
    """
    techniques, depth = configuration.regularization, configuration.network.depth
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


def starting_loss(configuration: Configuration) -> float | None:
    """The data loss of an untrained network: ln C; 1 for a standardized regression; else none."""
    target = configuration.outline.target
    if target.task == "regression":
        return 1.0 if configuration.job.spec.preprocessing.target == "standardize" else None
    return math.log(len(target.classes))


def starting_penalty(configuration: Configuration, penalty: Penalty) -> float:
    """The expected R(w) of the initial weights in the first epoch."""
    share = 1.0
    if penalty.schedule is not None:
        share = penalty.schedule.share(0, configuration.training.epochs)
    blocks = configuration.layout.chosen(biases=penalty.biases, layers=penalty.layers)
    return share * penalty.strength * sum(b.count * _price(penalty, b) for b in blocks)


def _price(penalty: Penalty, block: Block) -> float:
    """E R of one weight, at strength 1."""
    match penalty:
        case L1():
            return block.size
        case L2():
            return block.square
        case ElasticNet():
            return penalty.l1_ratio * block.size + (1 - penalty.l1_ratio) * block.square
        case GroupLasso():  # √|g|·‖w_g‖ ≈ |g|·√E w², above it by less than a tenth
            return math.sqrt(block.square)
        case _:
            return 0.0


def _squares_in_gradient(technique: WeightTechnique) -> bool:
    if technique.strength == 0:
        return False
    match technique:
        case L2():
            return True
        case ElasticNet():
            return technique.l1_ratio < 1 and not is_proximal(technique)
        case Decay():
            return technique.is_coupled()
        case _:
            return False
