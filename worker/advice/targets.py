"""Rules about targets: their balance, and what is measured of them."""

from collections.abc import Iterator

from worker.advice.advice import Advice
from worker.advice.configuration import Configuration

WORST_BALANCE = 4.0
"""80/20: rows of the largest class for one of the smallest."""
SHOWN = 20
HARD = ("accuracy", "recall")


def mixed_targets_and_hard_labels(configuration: Configuration) -> Iterator[Advice]:
    """Training on mixed targets asks for shares of classes; accuracy asks for one class."""
    techniques = configuration.regularization
    stopping = techniques.early_stopping
    if stopping is None or not stopping.metric.endswith(HARD):
        return
    strengths = {
        "mixup": techniques.mixup.alpha if techniques.mixup is not None else 0.0,
        "cutmix": techniques.cutmix.p if techniques.cutmix is not None else 0.0,
    }
    mixing = {name: strength for name, strength in strengths.items() if strength > 0}
    if mixing:
        yield Advice(
            severity="warning",
            code="mixed_targets_and_hard_labels",
            field="regularization.early_stopping.metric",
            message=f"{' and '.join(mixing)} trains towards mixtures of classes, and "
            f"{stopping.metric} counts hard labels: it moves in jumps, and stands still while the "
            "probabilities still improve.",
            evidence={"metric": stopping.metric, **mixing},
            fix="Watch validation_loss, or raise regularization.early_stopping.patience.",
        )


def class_imbalance(configuration: Configuration) -> Iterator[Advice]:
    """With a rare class, a network that never answers it has a good accuracy.

    A configuration without weights in a comparison with others that have them is left alone.
    """
    counts, outline = configuration.outline.class_rows, configuration.outline
    if not counts or configuration.job.weighted:
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
                "rows": dict(zip(names[:SHOWN], counts, strict=False)),
                "share": round(share, 4),
            },
            fix="Judge by balanced accuracy; set class_weights to {} to count all classes alike.",
        )
