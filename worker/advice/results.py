"""Advice on what came out of a trial."""

from worker.results import Advice


def advise_on_result(
    name: str, metrics: dict[str, float | None], *, solved: bool | None = None
) -> list[Advice]:
    """What can be said about a trained trial; ``solved`` is none where there was no solver."""
    return [*_constant_predictor(name, metrics), *_not_solved(name, solved)]


def _not_solved(name: str, solved: bool | None) -> list[Advice]:
    if solved is not False:
        return []
    return [
        Advice(
            severity="warning",
            code="not_solved",
            field="training.optimizer.tolerance",
            message=f"{name} ended before the solver reached its tolerance.",
            fix="Raise training.epochs, the strengths or the tolerance; standardize the columns.",
            evidence={},
        )
    ]


def _constant_predictor(name: str, metrics: dict[str, float | None]) -> list[Advice]:
    if metrics.get("train_classes_predicted") != 1:
        return []
    accuracy, balanced = metrics["train_accuracy"], metrics["train_balanced_accuracy"]
    return [
        Advice(
            severity="warning",
            code="constant_predictor",
            field="regularization",
            message=(
                f"{name} predicts one class only: its accuracy of {accuracy:.4f} is the share of "
                f"that class, its balanced accuracy is {balanced:.4f}."
            ),
            evidence={"train_accuracy": accuracy, "train_balanced_accuracy": balanced},
            fix="Lower the strengths (try a tenth), or train longer; judge by balanced accuracy.",
        )
    ]
