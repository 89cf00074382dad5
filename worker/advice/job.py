"""Advice on a job before it runs: every rule, in the order in which findings are told."""

from collections.abc import Callable, Iterator

from worker.advice import choice, data, layers, penalties, stopping
from worker.advice.context import Context, contexts
from worker.data import Outline
from worker.results import Advice
from worker.spec import JobSpec

Rule = Callable[[Context], Iterator[Advice]]
"""Looks at one configuration. A finding's field is a path within it."""

RULES: tuple[Rule, ...] = (
    penalties.penalty_outweighs_loss,
    penalties.rescaled_by_adam,
    penalties.decay_under_normalization,
    penalties.strength_out_of_range,
    penalties.biases_penalized,
    layers.dropout_with_batch_norm,
    layers.alpha_dropout_without_selu,
    layers.dropout_with_selu,
    layers.dropout_out_of_range,
    layers.input_dropout_out_of_range,
    layers.dropout_on_output,
    layers.dropout_without_effect,
    layers.batch_of_one,
    layers.last_batch_of_one,
    data.augmentation_changes_label,
    stopping.mixed_targets_and_hard_labels,
    data.class_imbalance,
    choice.chosen_on_training_rows,
    stopping.early_stopping_without_validation,
    stopping.early_stopping_on_training_rows,
    data.small_data_weak_regularization,
    data.large_data_strong_regularization,
    data.identifier_columns,
    data.numbers_as_categories,
)
MOST_OTHERS = 10
"""Further fields that a finding lists at most."""


def advise(spec: JobSpec, outline: Outline) -> list[Advice]:
    """What can be said about a job before it runs; nothing is encoded, nothing allocated.

    A finding about the same field of several configurations is told once, of the first; its
    evidence lists the other fields under `also`. Warnings come first.
    """
    first: dict[tuple[str, str | None], Advice] = {}
    others: dict[tuple[str, str | None], list[str]] = {}
    for context in contexts(spec, outline):
        for rule in RULES:
            for finding in rule(context):
                key, field = (finding.code, finding.field), context.path(finding.field)
                if key not in first:
                    first[key] = finding.model_copy(update={"field": field})
                    others[key] = []
                elif field is not None and field not in {first[key].field, *others[key]}:
                    others[key].append(field)
    findings = [_with_others(finding, others[key]) for key, finding in first.items()]
    return sorted(findings, key=lambda finding: finding.severity != "warning")


def _with_others(finding: Advice, fields: list[str]) -> Advice:
    if not fields:
        return finding
    evidence = finding.evidence | {"also": fields[:MOST_OTHERS]}
    if len(fields) > MOST_OTHERS:
        evidence["more"] = len(fields) - MOST_OTHERS
    return finding.model_copy(update={"evidence": evidence})
