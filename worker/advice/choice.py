"""Rules about choosing: by which rows the best configuration is found, and whether it can be."""

from collections.abc import Iterator

from worker.advice.context import Context
from worker.data import ExtremeCell
from worker.results import NOT_MEASURABLE, Advice

TRAINING = ("train_", "penalty")
"""How the objectives begin that training itself makes small."""


def chosen_on_training_rows(context: Context) -> Iterator[Advice]:
    """What fits the training rows best is nearly always what is held back least.

    A comparison without validation rows is judged by the training loss; a search without any is
    refused, but it may name a metric of the training rows.
    """
    spec, rows = context.job.spec, context.outline
    if spec.search is not None:
        objective = spec.search.objective or ""
        if objective.startswith(TRAINING):
            yield Advice(
                severity="warning",
                code="chosen_on_training_rows",
                field="search.objective",
                message=f"The winner is chosen by {objective}, which is best where the network is "
                "held back least; new rows are another matter.",
                evidence={"objective": objective, "validation_rows": min(rows.validation_rows)},
                fix="Choose by a metric of the validation rows, such as validation_loss.",
                change={"search": {"objective": "validation_loss"}},
            )
    elif len(spec.compare or ()) > 1 and not all(rows.validation_rows):
        yield Advice(
            severity="warning",
            code="chosen_on_training_rows",
            field="split.validation",
            message="There are no validation rows, so the winner is chosen by the training loss: "
            "that is best where the network is held back least; new rows are another matter.",
            evidence={"objective": "train_loss", "validation_rows": min(rows.validation_rows)},
            fix="Set split.validation above 0 (0.2 is usual), or use split.folds.",
            change=None if spec.split.rows is not None else {"split": {"validation": 0.2}},
        )


def advise_on_missing_objective(name: str, objective: str, cell: ExtremeCell | None) -> Advice:
    """A trial has weights, and its objective is no finite number; ``cell`` may be why."""
    if cell is None:
        return Advice(
            severity="warning",
            code=NOT_MEASURABLE,
            field=None,
            message=f"{name} has no finite {objective}: the metric is not defined on these rows, "
            "or the network's answers there are no finite numbers.",
            evidence={"objective": objective},
            fix="Give that part of the split more rows, or choose by another metric.",
        )
    return Advice(
        severity="warning",
        code=NOT_MEASURABLE,
        field="dataset",
        column=cell.column,
        message=f"{name} has no finite {objective}: row {cell.row:,} (counted from 0) holds "
        f"{cell.column} = {cell.value:g}, {cell.deviations:.3g} standard deviations from the mean "
        "of the training rows.",
        evidence={
            "objective": objective,
            "column": cell.column,
            "row": cell.row,
            "value": cell.value,
            "deviations": cell.deviations,
        },
        fix="Correct that cell, or leave the row out, and upload the data again.",
    )
