"""Rules about how much regularization suits how many rows."""

from collections.abc import Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration
from worker.advice.strengths import is_decoupled
from worker.regularization import Dropout
from worker.regularization.families.penalty import WeightTechnique

SMALL, LARGE = 1_000, 50_000
"""Training rows."""
ENOUGH_A_PARAMETER = 10
"""Rows for each parameter with which fewer than SMALL are no danger: linear models."""
STRONG_STRENGTH, STRONG_DECAY, STRONG_P = 1e-3, 1e-2, 0.5


def small_data_weak_regularization(configuration: Configuration) -> Iterator[Advice]:
    """Fewer than 1,000 rows and 10 a parameter, or fewer than a tenth of the parameters.

    A bare configuration in a comparison with others that are regularized is left alone: it is
    what they are compared with.
    """
    if configuration.job.restrained:
        return
    rows = min(configuration.outline.train_rows)
    parameters = configuration.layout.parameters
    few = rows < SMALL and rows < ENOUGH_A_PARAMETER * parameters
    if few or 10 * rows < parameters:
        yield Advice(
            severity="info",
            code="small_data_weak_regularization",
            field="regularization",
            message=f"{parameters:,} parameters learn from {rows:,} training rows with little or "
            "nothing to hold them back.",
            evidence={"train_rows": rows, "parameters": parameters},
            fix="Add early_stopping on validation rows, weight_decay of 0.01 or dropout of 0.2 to "
            "0.5, or use a smaller network.",
        )


def large_data_strong_regularization(configuration: Configuration) -> Iterator[Advice]:
    """With many rows there is little to protect from, and much to be lost."""
    rows = min(configuration.outline.train_rows)
    if rows <= LARGE:
        return
    for name, technique in configuration.regularization.techniques():
        if isinstance(technique, WeightTechnique):
            field, value = "strength", technique.strength
            bound = STRONG_DECAY if is_decoupled(technique) else STRONG_STRENGTH
            strong = value > bound
        elif isinstance(technique, Dropout):
            field, bound = "p", STRONG_P
            value = max(technique.p) if isinstance(technique.p, tuple) else technique.p
            strong = value >= bound
        else:
            continue
        if strong:
            yield Advice(
                severity="info",
                code="large_data_strong_regularization",
                field=f"regularization.{name}.{field}",
                message=f"{rows:,} training rows need little regularization; {name} with {field} "
                f"{value:g} may keep the network from fitting them.",
                evidence={"train_rows": rows, field: value, "strong": bound},
                fix=f"Try {field} {bound / 5:g} beside it, as another member of compare.",
            )
