"""Pictures of how a classifier answers: confusion, calibration, ROC, precision and recall."""

from service.charts.palette import BLUE, GRAY, SHARES, SKY, Look
from service.charts.picture import (
    Bars,
    Cells,
    Line,
    Panel,
    Picture,
    PictureAxis,
    Shade,
    axis_over,
    digits,
    name_of,
)
from service.charts.words import PARTS_IN_WORDS, titled
from worker.metrics import BINS
from worker.results import Calibration, Curves, Metrics, PartCurves

MOST_TEXTS = 12
"""Classes of which each cell is still wide enough for a number."""
DIAGONAL = Look(GRAY, "dashed", width=1.5)


def confusion_picture(curves: Curves, part: str, trial_name: str) -> Picture:
    """How often each class was answered as each, coloured by its share of the true class's rows."""
    matrix = curves.parts[part].confusion or []
    names = tuple(name_of(name) for name in curves.classes)
    steps = len(SHARES)
    shades = tuple(
        Shade(f"{100 * n / steps:.0f} to {100 * (n + 1) / steps:.0f} %", SHARES[n])
        for n in range(steps)
    )
    rows = matrix[::-1]  # the first class is on top
    cells = tuple(tuple(_share(count, sum(row), steps) for count in row) for row in rows)
    texts = tuple(tuple(str(count) for count in row) for row in rows)
    at = "" if curves.threshold is None else f" Threshold {digits(curves.threshold)}."
    return Picture(
        title=titled("Confusion matrix", trial_name),
        note=f"{_rows(curves.parts[part], part)}: how many, coloured by the share of the rows of "
        f"the true class.{at}",
        x=PictureAxis("Answered class", names=names),
        panels=(
            Panel(
                PictureAxis("True class", names=names[::-1]),
                (
                    Cells(
                        shades,
                        cells,
                        texts if len(names) <= MOST_TEXTS else (),
                        "class without rows",
                    ),
                ),
            ),
        ),
        height=600,
    )


def calibration_picture(curves: Curves, part: str, trial_name: str) -> Picture:
    """A reliability diagram: frequency against probability, and how many rows speak for each."""
    of_part = curves.parts[part]
    calibration = of_part.calibration
    centres = tuple((n + 0.5) / BINS for n in range(BINS))
    counts = [0.0] * BINS
    for probability, rows in zip(calibration.probability, calibration.rows, strict=True):
        counts[min(int(probability * BINS), BINS - 1)] += rows
    line = Line(
        "Classifier",
        tuple(calibration.probability),
        tuple(calibration.frequency),
        Look(BLUE, marker="circle", width=2.5),
    )
    what = "of the answer" if curves.positive is None else f"of {name_of(curves.positive)!r}"
    happened = "Share answered rightly" if curves.positive is None else "Share that is positive"
    return Picture(
        title=titled("Calibration", trial_name),
        note=f"{_rows(of_part, part)}. Expected calibration error (ECE) over {BINS} bins: "
        f"{digits(expected_calibration_error(calibration))}.",
        x=PictureAxis(f"Mean probability {what}, of each bin", low=0.0, high=1.0, step=0.1),
        panels=(
            Panel(
                PictureAxis(happened, low=0.0, high=1.0, step=0.2),
                (Line("Perfectly calibrated", (0.0, 1.0), (0.0, 1.0), DIAGONAL), line),
                share=3,
            ),
            Panel(
                axis_over("Rows", counts, zero=True, whole=True),
                (Bars("", centres, (0.0,) * BINS, tuple(counts), SKY, width=0.9),),
            ),
        ),
        height=640,
    )


def roc_picture(curves: Curves, part: str, trial_name: str, metrics: Metrics) -> Picture:
    """How many of the positive are found against how many of the negative are taken for them."""
    roc = curves.parts[part].roc
    if roc is None:
        raise ValueError("there is no ROC curve")
    area = metrics.get(f"{part}_auc")
    area_text = "" if area is None else f" Area under it (AUC): {area:.4f}."
    return Picture(
        title=titled("ROC curve", trial_name),
        note=f"{_rows(curves.parts[part], part)}; positive: {name_of(str(curves.positive))}."
        f"{area_text}",
        x=PictureAxis("False positive rate: FP / (FP + TN)", low=0.0, high=1.0, step=0.2),
        panels=(
            Panel(
                PictureAxis("True positive rate: TP / (TP + FN)", low=0.0, high=1.0, step=0.2),
                (
                    Line("Chance", (0.0, 1.0), (0.0, 1.0), DIAGONAL),
                    Line("Classifier", tuple(roc.fpr), tuple(roc.tpr), Look(BLUE, width=2.5)),
                ),
            ),
        ),
        height=600,
    )


def precision_recall_picture(
    curves: Curves, part: str, trial_name: str, metrics: Metrics
) -> Picture:
    """Precision against recall, as the step function whose area is the average precision."""
    pr = curves.parts[part].pr
    if pr is None:
        raise ValueError("there is no precision-recall curve")
    x, y = [0.0], [pr.precision[0]]
    for recall, precision in zip(pr.recall, pr.precision, strict=True):
        x += [x[-1], recall]
        y += [precision, precision]
    area = metrics.get(f"{part}_average_precision")
    area_text = "" if area is None else f" Average precision: {area:.4f}."
    share = pr.precision[-1]  # all rows are answered as positive there
    return Picture(
        title=titled("Precision and recall", trial_name),
        note=f"{_rows(curves.parts[part], part)}; positive: {name_of(str(curves.positive))}."
        f"{area_text}",
        x=PictureAxis("Recall: TP / (TP + FN)", low=0.0, high=1.0, step=0.2),
        panels=(
            Panel(
                PictureAxis("Precision: TP / (TP + FP)", low=0.0, high=1.0, step=0.2),
                (
                    Line("Chance: share of positive rows", (0.0, 1.0), (share, share), DIAGONAL),
                    Line("Classifier", tuple(x), tuple(y), Look(BLUE, width=2.5)),
                ),
            ),
        ),
        height=600,
    )


def expected_calibration_error(calibration: Calibration) -> float:
    """Σ_b n_b/n · |mean p − frequency|, from the bins as they are kept.

    Source: Naeini, Cooper & Hauskrecht 2015.
    """
    total = sum(calibration.rows)
    gaps = zip(calibration.probability, calibration.frequency, calibration.rows, strict=True)
    return sum(n * abs(p - f) for p, f, n in gaps) / total if total else 0.0


def _share(count: int, of: int, steps: int) -> int | None:
    return min(steps - 1, count * steps // of) if of else None


def _rows(part: PartCurves, name: str) -> str:
    return f"{part.rows:,} {PARTS_IN_WORDS[name]} rows"
