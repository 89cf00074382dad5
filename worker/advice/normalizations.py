"""Rules about batch normalization and the size of batches."""

from collections.abc import Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration
from worker.regularization.families.normalization import Normalization


def batch_of_one(configuration: Configuration) -> Iterator[Advice]:
    """One row has no variance: what a dense layer says of it is normalized to 0."""
    size = min(configuration.training.batch_size, *configuration.outline.train_rows)
    if size == 1 and _normalizes_units(configuration):
        yield Advice(
            severity="warning",
            code="batch_of_one",
            field="training.batch_size",
            message="Batch norm over a single row normalizes every unit of a dense layer to 0: "
            "nothing passes in training.",
            evidence={
                "batch_size": configuration.training.batch_size,
                "train_rows": min(configuration.outline.train_rows),
            },
            fix="Set training.batch_size to 8 or more, or use layer_norm.",
        )


def last_batch_of_one(configuration: Configuration) -> Iterator[Advice]:
    """A last batch of one row is left out, of another row in each epoch."""
    size = configuration.training.batch_size
    rows = [n for n in configuration.outline.train_rows if n > size > 1 and n % size == 1]
    if rows and _normalizes_units(configuration):
        yield Advice(
            severity="info",
            code="last_batch_of_one",
            field="training.batch_size",
            message=f"{rows[0]:,} training rows in batches of {size} leave a last batch of one, "
            "which batch norm cannot normalize: each epoch trains without one of the rows.",
            evidence={"train_rows": rows[0], "batch_size": size},
            fix=f"Set training.batch_size to {size - 1 if rows[0] % (size - 1) != 1 else size + 1} "
            "if every row should count in every epoch.",
        )


def _normalizes_units(configuration: Configuration) -> bool:
    """Whether a dense layer is normalized over the batch; a map has its positions besides."""
    network = configuration.network
    return network.depth > network.conv_layers and any(
        isinstance(technique, Normalization) and technique.needs_batch
        for _, technique in configuration.regularization.techniques()
    )
