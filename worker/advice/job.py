"""Advice on a job before it runs: every rule, in the order in which findings are told."""

from collections.abc import Callable, Iterator

from worker.advice import choice, data, layers, penalties, stopping, training
from worker.advice.context import Context, contexts
from worker.data import Outline
from worker.results import Advice
from worker.spec import JobSpec

Rule = Callable[[Context], Iterator[Advice]]
"""Looks at one configuration. A finding's field is a path within it."""

RULES: tuple[Rule, ...] = (
    training.learning_rate_too_high,
    training.schedule_beyond_epochs,
    training.batch_size_of_a_solver,
    penalties.penalty_outweighs_loss,
    penalties.penalties_add_up,
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
    choice.objective_without_fit,
    choice.seed_searched,
    choice.few_rows_choose,
    choice.same_configurations,
    stopping.early_stopping_without_validation,
    stopping.early_stopping_on_training_rows,
    stopping.patience_beyond_epochs,
    training.no_validation_rows,
    data.small_data_weak_regularization,
    data.large_data_strong_regularization,
    data.numbers_as_classes,
    data.numbers_as_measurements,
    data.rows_left_out,
)
MOST_OTHERS = 10
"""Further fields that a finding lists at most."""


def advise(spec: JobSpec, outline: Outline) -> list[Advice]:
    """What can be said about a job before it runs; nothing is encoded, nothing allocated.

    A finding about the same field of several configurations is told once, of the first; its
    evidence lists the other fields under `also`. Of two findings that set one field to different
    values the first of ``RULES`` is told. Warnings come first.
    """
    first: dict[tuple[str, str | None], Advice] = {}
    others: dict[tuple[str, str | None], list[str]] = {}
    for context in contexts(spec, outline):
        for finding in _of_one(context):
            key, field = (finding.code, finding.field), context.path(finding.field)
            if key not in first:
                first[key] = _placed(context, finding)
                others[key] = []
            elif field is not None and field not in {first[key].field, *others[key]}:
                others[key].append(field)
    findings = [_with_others(finding, others[key]) for key, finding in first.items()]
    return sorted(findings, key=lambda finding: finding.severity != "warning")


def _of_one(context: Context) -> list[Advice]:
    """What is said of one configuration: one fix a field, and nothing of what a search sets."""
    fixes: dict[str, Advice] = {}
    advice = []
    for finding in (finding for rule in RULES for finding in rule(context)):
        field = finding.field
        if field is not None and finding.change is not None:
            if context.varies(field) or fixes.get(field, finding).change != finding.change:
                continue
            fixes[field] = finding
        advice.append(finding)
    return advice


def _placed(context: Context, finding: Advice) -> Advice:
    """A finding with its field's path in the job, and its change if that can be merged into it.

    A merge replaces lists, so that a member of `compare` has a change of its own; and `auto` is a
    text in the place of `regularization`.
    """
    search, change, of_member = context.job.spec.search, finding.change, None
    fixed = context.replaced | ({"regularization"} if search and search.references else set())
    if change is not None and fixed & change.keys():
        of_member = change if change.keys() <= context.replaced else None
        change = None
    placed = {"field": context.path(finding.field), "change": change, "member_change": of_member}
    return finding.model_copy(update=placed)


def _with_others(finding: Advice, fields: list[str]) -> Advice:
    if not fields:
        return finding
    evidence = finding.evidence | {"also": fields[:MOST_OTHERS]}
    if len(fields) > MOST_OTHERS:
        evidence["more"] = len(fields) - MOST_OTHERS
    return finding.model_copy(update={"evidence": evidence})
