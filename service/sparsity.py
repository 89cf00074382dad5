"""From what a trial's row keeps of its network to words and bodies."""

from typing import Any

from service.schemas.sparsity import (
    FeatureReport,
    LayerReport,
    Prunable,
    PruningCurve,
    SparsityReport,
    SparsitySummary,
)
from worker.storage.tables import TrialRow

POINT = 0.01
"""What pruning may cost: of balanced accuracy, or as a share of rmse."""
NAMED = 10
"""Most columns that a statement names."""


def summary(row: TrialRow) -> SparsitySummary | None:
    """The short form; none before the trial succeeded."""
    return None if row.report is None else SparsitySummary(**_summary(row, row.report))


def report(row: TrialRow) -> SparsityReport | None:
    """All of it; none before the trial succeeded."""
    found = row.report
    if found is None:
        return None
    return SparsityReport(
        **_summary(row, found),
        trial=row.id,
        weights=found["weights"],
        zeros=found["zeros"],
        units=found["units"],
        layers=[LayerReport.model_validate(layer) for layer in found["layers"]],
        features=FeatureReport.model_validate(found["features"]) if found["features"] else None,
        pruning=PruningCurve.model_validate(found["pruning"]) if found["pruning"] else None,
    )


def _summary(row: TrialRow, found: dict[str, Any]) -> dict[str, Any]:
    features, curve = found["features"], found["pruning"]
    prunable = None if curve is None else _prunable(curve)
    return {
        "statement": _statement(found, _regularization(row), prunable),
        "sparsity": found["sparsity"],
        "dead_units": found["dead_units"],
        "columns_unused": None if features is None else features["columns_unused"],
        "prunable": prunable,
    }


def _regularization(row: TrialRow) -> dict[str, Any]:
    found: dict[str, Any] = row.settings.get("regularization", {})
    return found


def _prunable(curve: dict[str, Any]) -> Prunable:
    if curve.get("rmse"):
        bad = [value > curve["rmse"][0] * (1 + POINT) for value in curve["rmse"]]
    else:
        accuracy = curve["balanced_accuracy"]
        # Curves are kept with six digits: a loss of exactly a point must not depend on the last.
        bad = [value < accuracy[0] - POINT - 1e-6 for value in accuracy]
    last = (bad.index(True) if True in bad else len(bad)) - 1
    return Prunable(threshold=curve["thresholds"][last], sparsity=curve["sparsity"][last])


def _statement(
    found: dict[str, Any], regularization: dict[str, Any], prunable: Prunable | None
) -> str:
    weights, zeros = found["weights"], found["zeros"]
    said = [
        f"{zeros:,} of {weights:,} weights ({100 * zeros / weights:.4g} %) are exactly zero."
        if zeros
        else f"None of {weights:,} weights is exactly zero."
    ]
    said += [
        f"{name} with method subgradient drives weights towards zero, but sets none to it; "
        "method proximal does."
        for name, settings in regularization.items()
        if settings and settings.get("method") == "subgradient"
    ]
    if found["dead_units"]:
        said.append(f"{found['dead_units']:,} of {found['units']:,} units are dead.")
    if found["features"]:
        said += _of_features(found["features"])
    if prunable is not None and prunable.threshold > 0 and prunable.sparsity > found["sparsity"]:
        said.append(
            f"With weights below {prunable.threshold:g} set to 0, which makes "
            f"{100 * prunable.sparsity:.4g} % of them zero, it answers as well, within a hundredth."
        )
    return " ".join(said)


def _of_features(features: dict[str, Any]) -> list[str]:
    unused, columns = features["columns_unused"], features["columns"]
    if unused == columns:
        return ["It depends on no column: the answer is the same for every row."]
    if not unused:
        return []
    names = ", ".join(features["unused"][:NAMED]) + (", …" if unused > NAMED else "")
    return [f"It does not depend on {unused:,} of {columns:,} columns: {names}."]
