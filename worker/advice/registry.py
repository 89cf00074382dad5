"""Every rule about a job, in the order in which findings are told."""

from collections.abc import Callable, Iterator

from worker.advice import (
    augmentations,
    columns,
    data_size,
    dropouts,
    normalizations,
    penalties,
    stopping,
    strengths,
    targets,
)
from worker.advice.advice import Advice
from worker.advice.configuration import Configuration

Rule = Callable[[Configuration], Iterator[Advice]]
"""Looks at one configuration. A finding's field is a path within it."""

RULES: tuple[Rule, ...] = (
    penalties.penalty_outweighs_loss,
    penalties.rescaled_by_adam,
    penalties.decay_under_normalization,
    strengths.strength_out_of_range,
    strengths.biases_penalized,
    dropouts.dropout_with_batch_norm,
    dropouts.alpha_dropout_without_selu,
    dropouts.dropout_with_selu,
    dropouts.dropout_out_of_range,
    dropouts.input_dropout_out_of_range,
    dropouts.dropout_on_output,
    dropouts.dropout_without_effect,
    normalizations.batch_of_one,
    normalizations.last_batch_of_one,
    augmentations.augmentation_changes_label,
    targets.mixed_targets_and_hard_labels,
    targets.class_imbalance,
    stopping.early_stopping_without_validation,
    stopping.early_stopping_on_training_rows,
    data_size.small_data_weak_regularization,
    data_size.large_data_strong_regularization,
    columns.identifier_columns,
    columns.numbers_as_categories,
)
