"""Rules about choosing: by which rows the best configuration is found, and whether it can be."""

from collections.abc import Iterator

from worker.advice.context import Context
from worker.data import ExtremeCell
from worker.results import NOT_MEASURABLE, Advice

TRAINING = ("train_", "penalty")
"""How the objectives begin that training itself makes small."""
WITHOUT_FIT = {
    "gap": "which is least where the network has learnt nothing",
    "sparsity": "which is largest where no weight is left",
    "classes_predicted": "which is least where one class is answered for all rows",
}
"""Objectives that say nothing of how right the answers are, by how their names end."""
FEW_ROWS = 20
"""Rows that choose, below which it is chance that does."""
SEED = "training.seed"


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


def objective_without_fit(context: Context) -> Iterator[Advice]:
    """What is not about the answers is best where there are none to speak of."""
    search = context.job.spec.search
    objective = (search.objective if search is not None else None) or ""
    if objective.startswith(TRAINING):
        return
    for name, why in WITHOUT_FIT.items():
        if objective.endswith(name):
            yield Advice(
                severity="warning",
                code="objective_without_fit",
                field="search.objective",
                message=f"The winner is chosen by {objective}, {why}: it does not say how right "
                "the answers are.",
                evidence={"objective": objective},
                fix="Choose by validation_loss, and look at the other beside it.",
                change={"search": {"objective": "validation_loss"}},
            )
            return


def seed_searched(context: Context) -> Iterator[Advice]:
    """Of equal configurations with different seeds the best is the luckiest."""
    search = context.job.spec.search
    if search is None or not isinstance(search.space, dict) or SEED not in search.space:
        return
    yield Advice(
        severity="warning",
        code="seed_searched",
        field=f"search.space.{SEED}",
        message="The search varies the seed: its best is the luckiest on the rows that choose, and "
        "is no better than others on new ones.",
        evidence={"path": SEED},
        fix="Leave the seed out of the space; repeats trains each configuration with several, and "
        "judges it by their mean.",
    )


def few_rows_choose(context: Context) -> Iterator[Advice]:
    """Where few rows choose among several configurations, chance does."""
    spec, outline = context.job.spec, context.outline
    several = spec.search is not None or len(spec.compare or ()) > 1
    rows = sum(outline.validation_rows) if outline.folds else min(outline.validation_rows)
    rows = min(rows, outline.rows)
    if not several or not 0 < rows < FEW_ROWS:
        return
    split = spec.split
    divisible = not outline.folds and split.rows is None and split.order is None
    yield Advice(
        severity="warning",
        code="few_rows_choose",
        field="split.folds" if divisible else "split",
        message=f"{rows} row{'s' if rows != 1 else ''} choose{'s' if rows == 1 else ''} among the "
        "configurations: which of them wins is mostly chance.",
        evidence={"rows": rows, "enough": FEW_ROWS},
        fix="Use folds, so that all rows validate, with repeats that deal them anew."
        if divisible
        else "Add rows, or take the winner for one of several that are as good.",
        change={"split": {"folds": min(5, outline.rows // 2), "repeats": 3}}
        if divisible and not outline.target.classes and outline.rows >= FEW_ROWS
        else None,
    )


def same_configurations(context: Context) -> Iterator[Advice]:
    """Configurations that are the same end with the same weights: they differ in their names."""
    before = context.job.same_as.get(context.number)
    if before is None:
        return
    names = [variant.name for variant in context.job.spec.compare or ()]
    yield Advice(
        severity="warning",
        code="same_configurations",
        field="compare",
        message=f"compare.{context.number} ({names[context.number]}) is the same as "
        f"compare.{before} ({names[before]}), but for its name: both end with the same weights.",
        evidence={"configurations": [before, context.number]},
        fix="Leave one of them out, or change what was to be compared; what other seeds would give "
        "is seen by repeats.",
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
