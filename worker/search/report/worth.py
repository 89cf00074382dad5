"""What a search was worth: whether its importances can be believed, and what it bought."""

import math
from collections.abc import Mapping, Sequence

from worker.results import Advice, Refit, Spread
from worker.schema import Json
from worker.search.report.axes import Axis, ConfigurationResult
from worker.search.report.importance import Importance
from worker.spec import MOST_TRIALS, SearchMethod

BELIEVABLE = 0.25
"""R² on unseen configurations below which importances are noise."""
EACH = 20
"""Configurations for each field that usually give importances."""
PART = "validation_"


def is_believable(importance: Importance) -> bool:
    """Whether the forest knows enough of configurations that it has not seen."""
    return importance.fit >= BELIEVABLE


def unbelievable_importances(
    importance: Importance | None, axes: Sequence[Axis], configurations: int, method: SearchMethod
) -> list[Advice]:
    """Why there are no importances, where there are configurations enough to compute some."""
    if importance is None or is_believable(importance):
        return []
    wanted = min(max(EACH * len(axes), 2 * configurations), MOST_TRIALS)
    fix = f"Set search.trials to {wanted:,}."
    change: Json = {"trials": wanted}
    if method in ("grid", "path"):  # their values are all that there are
        fix = f'Set search.method to "random", with {wanted:,} trials.'
        change = {"trials": wanted, "method": "random"}
    return [
        Advice(
            severity="info",
            code="importances_not_believable",
            field="search.method" if "method" in change else "search.trials",
            message=f"{configurations:,} configurations say too little of {len(axes):,} fields: "
            f"what a forest learned from them has an R² of {importance.fit:.2f} on those that it "
            "had not seen, so that no importances are given.",
            evidence={
                "configurations": configurations,
                "fields": len(axes),
                "fit": round(importance.fit, 4),
                "believable": BELIEVABLE,
            },
            fix=fix,
            change={"search": change},
        )
    ]


def bought_nothing(
    axes: Sequence[Axis],
    order: Sequence[ConfigurationResult],
    refits: Sequence[Refit] = (),
    *,
    objective: str,
    maximize: bool,
    regularization: Json,
) -> list[Advice]:
    """Whether the same network without the techniques that were switched does as well.

    It does if it is the winner; if, refitted, it is no worse on the test rows; or, where there are
    none, if its mean lies within one standard error of the winner's.

    Args:
        axes: the searched fields.
        order: what the configurations gave, best first.
        refits: the winner and the reference trained once more.
        objective: the metric of the search.
        maximize: whether more of it is better.
        regularization: the techniques that all configurations have.
    """
    switches = [axis.path for axis in axes if _is_switch(axis)]
    plain = [result for result in order if switches and _has_none(switches, result)]
    if not plain:
        return []
    winner, reference = order[0], min(plain, key=lambda result: result.configuration)
    alone = all(_is_below(axis.path, switches) for axis in axes)
    if winner in plain:
        how = "is the best of the search"
        evidence: Json = {"configuration": winner.configuration, objective: winner.mean}
    elif (tested := _on_test_rows(winner, reference, refits, objective)) is not None:
        metric, (best, without) = tested
        if _is_better(best, without, maximize=maximize):
            return []
        how = f"is no worse on the test rows ({metric} {without.mean:.4g} against {best.mean:.4g})"
        evidence = {"winner": best.mean, "without": without.mean, "metric": metric}
    elif winner.error is not None and not reference.halved:
        if abs(winner.mean - reference.mean) > winner.error:
            return []
        how = f"is as good within a standard error of {winner.error:.2g}"
        evidence = {
            "winner": winner.mean,
            "without": reference.mean,
            "standard_error": winner.error,
        }
    else:
        return []
    return [
        Advice(
            severity="info",
            code="search_bought_nothing",
            field="search.space",
            message=f"The network without any of the {len(switches):,} techniques that were "
            f"searched {how}: they bought nothing.",
            evidence=evidence,
            fix="Train the job without the search: it is simpler and serves as well.",
            change={"regularization": regularization, "search": None} if alone else None,
        )
    ]


def _is_switch(axis: Axis) -> bool:
    return axis.kind == "switch" and axis.path.startswith("regularization.")


def _has_none(switches: Sequence[str], result: ConfigurationResult) -> bool:
    return not any(result.overrides.get(path) for path in switches)


def _is_below(path: str, switches: Sequence[str]) -> bool:
    return any(path == switch or path.startswith(f"{switch}.") for switch in switches)


def _on_test_rows(
    winner: ConfigurationResult,
    reference: ConfigurationResult,
    refits: Sequence[Refit],
    objective: str,
) -> tuple[str, tuple[Spread, Spread]] | None:
    """The objective's metric of the test rows, of the refitted winner and the reference."""
    metric = f"test_{objective.removeprefix(PART)}"
    by_number: Mapping[int, Spread] = {
        refit.configuration: refit.metrics[metric] for refit in refits if metric in refit.metrics
    }
    if winner.configuration not in by_number or reference.configuration not in by_number:
        return None
    return metric, (by_number[winner.configuration], by_number[reference.configuration])


def _is_better(best: Spread, without: Spread, *, maximize: bool) -> bool:
    """Whether the first mean is better by more than the standard error of the difference."""
    gained = best.mean - without.mean if maximize else without.mean - best.mean
    squares = [spread.sd**2 / spread.n for spread in (best, without) if spread.sd is not None]
    return bool(gained > math.sqrt(sum(squares)))
