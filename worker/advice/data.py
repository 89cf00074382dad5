"""Rules about data: how many rows, how balanced, labels, targets that may be something else."""

from collections.abc import Iterator

from worker.advice.change import Remedy, change_of
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
MOST_CLASSES = 1_000
ROWS_A_CLASS = 10
"""Rows for each different whole number from which on the numbers may be classes."""
MANY_LEFT_OUT = 0.1
"""The share of the rows without a target that is worth a warning."""
_REASONS = {"no target": "without a target", "text in the target": "with a text as the target"}
USUAL_DEGREES = 15.0


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
            message=f"{parameters:,} parameters learn from {rows:,} training "
            f"row{'' if rows == 1 else 's'} with little or nothing to hold them back.",
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


def numbers_as_classes(context: Context) -> Iterator[Advice]:
    """A few whole numbers may be names of classes, or counts and grades that a regression predicts.

    Two of them are classes. So are 0, 1, 2, …, most likely.
    """
    numbers, target = context.outline.numbers, context.outline.target
    if numbers is None or target.task != "multiclass":
        return
    yield Advice(
        severity="info" if numbers.counted else "warning",
        code="numbers_as_classes",
        field="task",
        column=target.column,
        message=f"The target {target.column!r} holds {numbers.distinct:,} different numbers, which "
        "are taken for classes: an answer that is nearly right counts as one that is wrong.",
        evidence={"distinct": numbers.distinct, "classes": list(target.classes[:CLASSES_SHOWN])},
        fix='Set task to "regression" if the numbers measure or count something.',
        change={"task": "regression"},
    )


def numbers_as_measurements(context: Context) -> Iterator[Advice]:
    """Many whole numbers may be names of classes, as letters are numbered from 0 to 25."""
    outline = context.outline
    numbers = outline.numbers
    if numbers is None or outline.target.task != "regression" or not numbers.whole:
        return
    images = len(outline.shape) > 1
    if numbers.distinct > MOST_CLASSES or not (
        images or outline.rows >= ROWS_A_CLASS * numbers.distinct
    ):
        return
    yield Advice(
        severity="warning" if images else "info",
        code="numbers_as_measurements",
        field="task",
        column=outline.target.column,
        message=f"The target {outline.target.column!r} holds {numbers.distinct:,} different whole "
        "numbers, which are taken to measure something: class 3 would lie between 2 and 4.",
        evidence={"distinct": numbers.distinct, "rows": outline.rows},
        fix='Set task to "multiclass" if the numbers are names of classes.',
        change={"task": "multiclass"},
    )


def rows_left_out(context: Context) -> Iterator[Advice]:
    """Rows without a target teach nothing; where there are many, there is mostly a reason."""
    counts = context.outline.understood.rows
    without = {reason: n for reason, n in counts.left_out.items() if reason in _REASONS}
    left_out = sum(without.values())
    if not left_out:
        return
    rows = counts.used + sum(counts.left_out.values())
    reasons = " and ".join(f"{n:,} {_REASONS[reason]}" for reason, n in without.items())
    yield Advice(
        severity="warning" if left_out > MANY_LEFT_OUT * rows else "info",
        code="rows_left_out",
        field="target",
        column=context.outline.target.column,
        message=f"Of {rows:,} rows, {reasons} are left out.",
        evidence={"rows": rows, "left_out": without},
        fix="Complete the column in the file if these rows should count; if its missing cells are "
        "a class of their own, say with missing which texts stand for a missing cell.",
    )


def _restraint(context: Context) -> Remedy:
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


def _is_decoupled(technique: WeightTechnique) -> bool:
    return isinstance(technique, Decay) and technique.is_decoupled()
