"""Rules about the strength of penalties and decays, and about what they act on."""

from collections.abc import Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration
from worker.regularization.families.decay import Decay
from worker.regularization.families.penalty import WeightTechnique
from worker.spec import LinearSpec

USUAL = (1e-4, 1e-2)
"""Strengths of penalties and coupled decay."""
USUAL_DECOUPLED = (1e-5, 0.1)
"""Strengths of decoupled decay: Kadra et al. 2021, arXiv:2106.11189."""


def strength_out_of_range(configuration: Configuration) -> Iterator[Advice]:
    """Outside the usual range a strength does nothing, or leaves nothing.

    Linear networks are left alone: what is usual there depends on the data.
    """
    if isinstance(configuration.network, LinearSpec):
        return
    for name, technique in _active(configuration):
        low, high = USUAL_DECOUPLED if is_decoupled(technique) else USUAL
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


def biases_penalized(configuration: Configuration) -> Iterator[Advice]:
    """Biases and normalization parameters are few and do not overfit; held back, they underfit."""
    for name, technique in _active(configuration):
        if technique.biases:
            blocks = configuration.layout.chosen(biases=True, layers=technique.layers)
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


def is_decoupled(technique: WeightTechnique) -> bool:
    """Whether it is a decay beside the optimizer's step."""
    return isinstance(technique, Decay) and technique.is_decoupled()


def _active(configuration: Configuration) -> Iterator[tuple[str, WeightTechnique]]:
    for name, technique in configuration.regularization.techniques():
        if isinstance(technique, WeightTechnique) and technique.strength > 0:
            yield name, technique
