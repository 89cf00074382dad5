"""Rules about data: how many rows, how balanced, columns that are not what they seem, labels."""

from collections.abc import Collection, Iterator
from typing import Any

from worker.advice.change import change_of
from worker.advice.context import Context
from worker.regularization import Dropout
from worker.regularization.families import Decay, WeightTechnique
from worker.results import Advice
from worker.spec import SolverSpec

SMALL, LARGE = 1_000, 50_000
"""Training rows."""
ENOUGH_A_PARAMETER = 10
"""Rows for each parameter with which fewer than SMALL are no danger: linear models."""
STRONG_STRENGTH, STRONG_DECAY, STRONG_P = 1e-3, 1e-2, 0.5
WORST_BALANCE = 4.0
"""80/20: rows of the largest class for one of the smallest."""
CLASSES_SHOWN = 20
MOST_DEGREES = 20.0
"""A digit that is turned further may be read as another."""
USUAL_DEGREES = 15.0
NEARLY_EACH = 0.9
"""Categories for each row, in an identifier."""
NEARLY_ALL = 0.9
"""Share of the categories that are numbers, in a numeric column with a few slips."""
COLUMNS_SHOWN = 10


def small_data_weak_regularization(context: Context) -> Iterator[Advice]:
    """Fewer than 1,000 rows and 10 a parameter, or fewer than a tenth of the parameters.

    A bare configuration in a comparison with others that are regularized is left alone: it is
    what they are compared with.
    """
    if context.job.restrained:
        return
    rows = min(context.outline.train_rows)
    parameters = context.layout.parameters
    few = rows < SMALL and rows < ENOUGH_A_PARAMETER * parameters
    if few or 10 * rows < parameters:
        yield Advice(
            severity="info",
            code="small_data_weak_regularization",
            field="regularization",
            message=f"{parameters:,} parameters learn from {rows:,} training rows with little or "
            "nothing to hold them back.",
            evidence={"train_rows": rows, "parameters": parameters},
            **_restraint(context),
        )


def large_data_strong_regularization(context: Context) -> Iterator[Advice]:
    """With many rows there is little to protect from, and much to be lost."""
    rows = min(context.outline.train_rows)
    if rows <= LARGE:
        return
    for name, technique in context.regularization.techniques():
        if isinstance(technique, WeightTechnique):
            field, value = "strength", technique.strength
            bound = STRONG_DECAY if _is_decoupled(technique) else STRONG_STRENGTH
            strong = value > bound
        elif isinstance(technique, Dropout):
            field, bound = "p", STRONG_P
            value = max(technique.p) if isinstance(technique.p, tuple) else technique.p
            strong = value >= bound
        else:
            continue
        if strong:
            path, mild = f"regularization.{name}.{field}", bound / 5
            yield Advice(
                severity="info",
                code="large_data_strong_regularization",
                field=path,
                message=f"{rows:,} training rows need little regularization; {name} with {field} "
                f"{value:g} may keep the network from fitting them.",
                evidence={"train_rows": rows, field: value, "strong": bound},
                fix=f"Set it to {mild:g}.",
                change=change_of((path, mild)),
            )


def class_imbalance(context: Context) -> Iterator[Advice]:
    """With a rare class, a network that never answers it has a good accuracy.

    A configuration without weights in a comparison with others that have them is left alone.
    """
    counts, outline = context.outline.class_rows, context.outline
    if not counts or context.job.weighted:
        return
    rare, common = min(counts), max(counts)
    if common > WORST_BALANCE * rare:
        names = outline.target.classes
        share = common / sum(counts)
        yield Advice(
            severity="info",
            code="class_imbalance",
            field="regularization.class_weights",
            message=f"Class {names[counts.index(common)]!r} has {common:,} rows and class "
            f"{names[counts.index(rare)]!r} {rare:,}: always answering the first is right in "
            f"{share:.1%}.",
            evidence={
                "rows": dict(zip(names[:CLASSES_SHOWN], counts, strict=False)),
                "share": round(share, 4),
            },
            fix="Set class_weights to {}: all classes count alike then.",
            change=change_of(("regularization.class_weights", {})),
        )


def augmentation_changes_label(context: Context) -> Iterator[Advice]:
    """A mirrored 2 is no 2, and a 6 turned round is a 9."""
    techniques = context.regularization
    if not context.digits or len(context.outline.shape) != 3:
        return
    flip, rotation = techniques.flip, techniques.rotation
    if flip is not None and max(flip.horizontal, flip.vertical) > 0:
        yield Advice(
            severity="warning",
            code="augmentation_changes_label",
            field="regularization.flip",
            message="The classes are named 0 to 9: if the images are digits, a mirrored one is "
            "another digit or none, and keeps its label.",
            evidence={"horizontal": flip.horizontal, "vertical": flip.vertical},
            fix="Leave flip out.",
            change=change_of(("regularization.flip", None)),
        )
    if rotation is not None and rotation.degrees > MOST_DEGREES:
        yield Advice(
            severity="warning",
            code="augmentation_changes_label",
            field="regularization.rotation.degrees",
            message="The classes are named 0 to 9: if the images are digits, one turned by "
            f"{rotation.degrees:g} degrees may be another digit, and keeps its label.",
            evidence={"degrees": rotation.degrees, "most": MOST_DEGREES},
            fix=f"Set degrees to {USUAL_DEGREES:g}.",
            change=change_of(("regularization.rotation.degrees", USUAL_DEGREES)),
        )


def identifier_columns(context: Context) -> Iterator[Advice]:
    """A category of its own for nearly every row is an input that no other row trains.

    Only categorical columns can be told; an identifier in numbers looks like a measurement.
    """
    rows = context.outline.rows
    identifiers = {
        column.column: column.count
        for column in context.outline.categories
        if column.count >= NEARLY_EACH * rows and column.numbers < NEARLY_ALL * column.count
    }
    if identifiers:
        yield Advice(
            severity="warning",
            code="identifier_columns",
            field="dataset",
            message=f"Nearly one category a row, as identifiers have, in {_listed(identifiers)}: "
            "the network can learn rows by heart with it, and nothing of new ones.",
            evidence={"categories": dict(list(identifiers.items())[:COLUMNS_SHOWN]), "rows": rows},
            fix="Upload the data without it.",
        )


def numbers_as_categories(context: Context) -> Iterator[Advice]:
    """One cell that is not a number makes its column categorical, one input for each value."""
    mixed = {
        column.column: column
        for column in context.outline.categories
        if NEARLY_ALL * column.count <= column.numbers < column.count
    }
    if mixed:
        yield Advice(
            severity="warning",
            code="numbers_as_categories",
            field="dataset",
            message=f"Numbers and a few other texts in {_listed(mixed)}: each of the values became "
            "a category of its own.",
            evidence={
                name: {
                    "categories": column.count,
                    "numbers": column.numbers,
                    "others": column.others,
                }
                for name, column in list(mixed.items())[:COLUMNS_SHOWN]
            },
            fix="Correct the other texts, or leave these cells empty, and upload the data again.",
        )


def _restraint(context: Context) -> dict[str, Any]:
    """What holds a network back with little risk: stopping, where rows tell when."""
    if isinstance(context.training.optimizer, SolverSpec):
        path, value, words = "l2.strength", 0.01, "l2 with a strength of 0.01"
    elif all(context.outline.validation_rows):
        return {
            "fix": "Add early_stopping: it ends training when the validation loss does not fall.",
            "change": change_of(("regularization.early_stopping", {})),
        }
    else:
        path, value, words = "weight_decay.strength", 0.01, "weight_decay with a strength of 0.01"
    return {"fix": f"Add {words}.", "change": change_of((f"regularization.{path}", value))}


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"column{'s' * (len(names) > 1)} {shown}{more}"


def _is_decoupled(technique: WeightTechnique) -> bool:
    return isinstance(technique, Decay) and technique.is_decoupled()
