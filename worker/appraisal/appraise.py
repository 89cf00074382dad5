"""A job's networks together: the page to begin with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from worker.appraisal.contenders import Beside, Contender
from worker.appraisal.importance import permutation_importance
from worker.appraisal.measured import Measured, PairedComparison, RowMeasures
from worker.appraisal.references import CONSTANT, boosted_scores, constant_scores
from worker.appraisal.rows import MOST_NETWORKS, MOST_SCORES, HeldOut, held_out, row_scores
from worker.appraisal.verdict import Facts, of_one_row, verdict
from worker.data import Prepared
from worker.results import Appraisal, Difference, MetricInterval, PermutationImportance

MOST_ROWS = 100_000
"""Rows that are looked at; of more as many are drawn."""
FEWEST_ROWS = 1_000
"""Rows that are looked at however many networks there are."""
MOST_SHOWN = 12
"""Configurations that the winner is compared with one by one, the best."""
BOOSTING = "gradient boosting"


def appraise(
    prepared: Prepared,
    contenders: Sequence[Contender],
    *,
    winner: int,
    objective: str,
    beside: Beside | None = None,
    device: str = "cpu",
) -> Appraisal | None:
    """What the networks come to on rows that none of them was trained on; none without such rows.

    Args:
        prepared: the job's data, as its trials were trained and measured.
        contenders: the configurations that are looked at, best first.
        winner: the number of that which won.
        objective: the metric by which they are ordered.
        beside: what else is known of the job.
        device: where networks answer.
    """
    with np.errstate(all="ignore"):  # scores beyond all numbers are told as what has no interval
        return _appraisal(prepared, contenders, winner, objective, beside, device)


def _appraisal(
    prepared: Prepared,
    contenders: Sequence[Contender],
    winner: int,
    objective: str,
    beside: Beside | None,
    device: str,
) -> Appraisal | None:
    beside = beside or Beside(competing=len(contenders))
    won = next(one for one in contenders if one.configuration == winner)
    loss = won.trials[0].trial.training.loss
    # What was trained on another loss has no loss that could be compared.
    others = [
        one for one in contenders if one is not won and one.trials[0].trial.training.loss == loss
    ]
    everyone = [won, *others, *beside.left_out]
    held = held_out(prepared, most=_most_rows(prepared, everyone), loss=loss)
    if not len(held):
        return None
    further = objective.partition("_")[2]
    chosen_here = (
        held.part != "test" and objective.startswith("validation_") and beside.competing > 1
    )
    measured = _measured(held, everyone, further, device, chooses=chosen_here)
    if id(won) not in measured:
        said = f"{won.name} won, but none of its repeats has all its folds: it has no intervals."
        return _only(said, held)
    compared = PairedComparison(
        [measured[id(one)] for one in [won, *others] if id(one) in measured],
        chosen_here=chosen_here,
        competing=beside.competing,
    )
    if compared.winner.units < 2:
        return _single(compared, further, held, beside)
    finite = compared.winner.report().metrics
    metric = further if further in finite else "loss"
    if metric not in finite:
        said = f"{won.name} won, but its loss on these {len(held):,} rows is no finite number."
        return _only(said, held)
    headline = "balanced_accuracy" if prepared.target.classes else "rmse"
    known = [name for name in (metric, headline) if name in finite]
    asked = _Asked(list(dict.fromkeys(known)), _twin(won, others, beside), won.configuration)
    left_out = {
        one.trials[0].trial.without.technique: measured[id(one)]
        for one in beside.left_out
        if one.trials[0].trial.without is not None and id(one) in measured
    }
    plain = next(
        (measured[id(one)] for one in beside.left_out if one.is_plain and id(one) in measured), None
    )
    of_rows = _differences(compared, asked, left_out, plain, held, beside)
    served = _refitted(beside, asked, held, further, device)
    said = _verdict(compared, served, asked, of_rows, metric, beside, won)
    winning, *rest = compared.configurations
    return Appraisal(
        verdict=said,
        part=held.part,
        rows=held.different,
        intervals=[
            compared.with_correction(metric),
            *(one.report() for one in rest),
        ],
        refits=[] if served is None else [one.report() for one in served.compared.configurations],
        differences=[*([] if served is None else served.differences), *of_rows],
        importance=_importance(held, won, winning, device),
        notes=[
            *_notes(held, compared, of_rows),
            *_of_halving(beside),
            *_of_time(held, beside.ordered_by),
        ],
    )


def _only(verdict: str, held: HeldOut) -> Appraisal:
    """A sentence, and no numbers."""
    document = {"verdict": verdict, "part": held.part, "rows": held.different}
    return Appraisal.model_validate(document)


def _single(
    compared: PairedComparison, further: str, held: HeldOut, beside: Beside
) -> Appraisal | None:
    """Of one row, or of one group: no interval, and nothing that would say what others are like."""
    winner = compared.winner
    metric = further if further in winner.metrics else "loss"
    value = winner.metrics[metric].value
    if not np.isfinite(value):
        return _only(
            f"{winner.name} won, but its {metric} on a single row is no finite number.", held
        )
    facts = Facts(
        part=held.part,
        rows=held.different,
        groups=_groups(compared),
        metric=metric,
        winner=winner.name,
        value=MetricInterval(value=value, low=value, high=value),
        competing=beside.competing,
        searched=beside.searched,
        let_go=beside.let_go,
        chosen_here=compared.is_chosen_here,
        wins_plain=False,
        twin=None,
        others=[],
        constant=None,
        boosting=None,
        without=[],
    )
    return Appraisal(
        verdict=of_one_row(facts),
        part=held.part,
        rows=held.different,
        intervals=[one.report() for one in compared.configurations],
        refits=[],
        differences=[],
        notes=["Of a single row or group there are no intervals, but of shares of right answers."],
    )


def _groups(compared: PairedComparison) -> int:
    """How many groups the rows are of; 0 where each stands for itself."""
    winner = compared.winner
    return winner.units if winner.scores.held.prepared.groups is not None else 0


@dataclass(frozen=True)
class _Asked:
    """What is to be compared."""

    metrics: Sequence[str]
    twin: int | None
    """The number of the configuration without regularization."""
    winner: int


@dataclass(frozen=True, eq=False)
class _Served:
    """The winner as it was trained once more, with what was trained so beside it."""

    compared: PairedComparison
    differences: Sequence[Difference]


def _most_rows(prepared: Prepared, everyone: Sequence[Contender]) -> int:
    folds = len(prepared.splits) if not len(prepared.splits[0].test) else 1
    networks = sum(min(MOST_NETWORKS, len(one.trials) // folds + 1) for one in everyone)
    fitting = MOST_SCORES // (networks * prepared.target.outputs)
    return min(MOST_ROWS, max(FEWEST_ROWS, fitting))


def _measured(
    held: HeldOut,
    everyone: Sequence[Contender],
    further: str,
    device: str,
    *,
    chooses: bool = False,
) -> dict[int, Measured]:
    """Each configuration by its identity; without those that answer nothing."""
    found = row_scores(held, everyone, device)
    networks = sum(len(scores.scores) for scores in found if scores is not None)
    rows = RowMeasures(held, networks, further, chooses=chooses)
    return {
        id(one): rows.measure(one.name, one.configuration, scores, one)
        for one, scores in zip(everyone, found, strict=True)
        if scores is not None
    }


def _twin(won: Contender, others: Sequence[Contender], beside: Beside) -> int | None:
    """The configuration without any technique, one of the winner's network if there is one."""
    network = won.trials[0].trial.network
    plain = [one for one in others if one.is_plain]
    alike = [one for one in plain if one.trials[0].trial.network == network]
    found = [one.configuration for one in [*alike, *plain]]
    return next(iter(found), None if beside.twin == won.configuration else beside.twin)


def _differences(
    compared: PairedComparison,
    asked: _Asked,
    left_out: Mapping[str, Measured],
    plain: Measured | None,
    held: HeldOut,
    beside: Beside,
) -> list[Difference]:
    scores = compared.winner.scores
    rows = RowMeasures(held, len(scores.scores), asked.metrics[0])
    constant = rows.measure(CONSTANT, None, constant_scores(held, scores))
    boosting = None
    if beside.boosted is not None and held.part != "test":
        boosting = rows.measure(BOOSTING, None, boosted_scores(held, beside.boosted, scores))
    found: list[Difference | None] = []
    for name in asked.metrics:
        shown = [
            one
            for place, one in enumerate(compared.configurations[1:])
            if place < MOST_SHOWN or one.number == asked.twin
        ]
        found += [
            compared.against(one, name, "twin" if one.number == asked.twin else "contender")
            for one in shown
        ]
        if asked.twin is None and plain is not None:
            found.append(compared.against(plain, name, "twin"))
        found += compared.without(left_out, name)
        found.append(compared.against(constant, name, "constant"))
        if boosting is not None:
            found.append(compared.against(boosting, name, "boosting"))
    return [one for one in found if one is not None]


def _refitted(
    beside: Beside, asked: _Asked, held: HeldOut, further: str, device: str
) -> _Served | None:
    """What was trained once more, on the test rows; none without these."""
    data = beside.refit_data
    if data is None or held.part != "test":
        return None
    again = HeldOut("test", data, held.rows, None, held.whole, held.loss)
    measured = _measured(again, beside.refits, further, device)
    order = sorted(beside.refits, key=lambda one: one.configuration != asked.winner)
    trained = [(one.configuration, measured[id(one)]) for one in order if id(one) in measured]
    if not trained or trained[0][0] != asked.winner:
        return None
    compared = PairedComparison([one for _, one in trained], chosen_here=False, competing=1)
    boosting = None
    if beside.boosted is not None:
        scores = boosted_scores(again, beside.boosted, compared.winner.scores)
        rows = RowMeasures(again, len(scores.scores), further)
        boosting = rows.measure(BOOSTING, None, scores)
    found: list[Difference | None] = []
    for name in asked.metrics:
        found += [compared.against(one, name, "twin") for _, one in trained[1:]]
        if boosting is not None:
            found.append(compared.against(boosting, name, "boosting"))
    return _Served(compared, [one for one in found if one is not None])


def _verdict(
    compared: PairedComparison,
    served: _Served | None,
    asked: _Asked,
    differences: Sequence[Difference],
    metric: str,
    beside: Beside,
    won: Contender,
) -> str:
    own = [] if served is None else served.differences
    best = compared.winner if served is None else served.compared.winner

    def first(role: str, name: str) -> Difference | None:
        of_role = (one for one in [*own, *differences] if (one.role, one.metric) == (role, name))
        return next(of_role, None)

    constant = first("constant", metric)
    if constant is None or constant.verdict == "unclear":
        # Losses have long tails: of few rows what is right or near may be clear all the same.
        constant = first("constant", asked.metrics[-1])
    of_metric = [one for one in differences if one.metric == metric]
    held = compared.winner.scores.held
    return verdict(
        Facts(
            part=held.part,
            rows=held.different,
            groups=_groups(compared),
            metric=metric,
            winner=compared.winner.name,
            value=best.report().metrics[metric],
            competing=beside.competing,
            searched=beside.searched,
            let_go=beside.let_go,
            chosen_here=compared.is_chosen_here,
            wins_plain=won.is_plain or won.configuration == beside.twin,
            twin=first("twin", metric),
            others=[one for one in of_metric if one.role in ("contender", "twin")],
            constant=constant,
            boosting=first("boosting", asked.metrics[-1]),
            without=[one for one in of_metric if one.role == "without"],
        )
    )


def _importance(
    held: HeldOut, won: Contender, winning: Measured, device: str
) -> PermutationImportance | None:
    """Of the winner's first network, or its first repeat's network of each fold."""
    repeat, _ = winning.scores.places[0]
    networks = [one for one in won.trials if one.trial.repeat == repeat]
    return permutation_importance(
        held, networks if held.fold is not None else networks[:1], device=device
    )


def _notes(
    held: HeldOut, compared: PairedComparison, differences: Sequence[Difference]
) -> list[str]:
    """What the intervals cover."""
    said = ["Intervals are 95 %, by a bootstrap over rows, of which all networks have the same."]
    if len(held) < held.whole:
        said.append(f"Of {held.whole:,} rows {len(held):,} were drawn.")
    if held.prepared.groups is not None:
        said.append(
            f"Rows of one group are drawn together, as they are alike: {compared.winner.units:,} "
            "groups are what the intervals rest on."
        )
    if compared.is_chosen_here:
        said.append(
            "These rows chose the winner: intervals of its differences from other configurations "
            "hold together for all that it was chosen from, and its own metrics flatter it, as far "
            "as `corrected` says (BBC-CV). What `without` shows is not corrected for the choice."
        )
    sources = {one.seeds for one in differences}
    if "epochs" in sources:
        said.append(
            "Each configuration was trained once: what another seed would have given is estimated "
            "from how far its metrics still went from epoch to epoch. Repeats would measure it."
        )
    elif "unknown" in sources:
        said.append("Each configuration was trained once: what another seed would give is unknown.")
    if held.fold is not None or "folds" in sources:
        said.append("Folds share training rows, so that intervals are somewhat too narrow.")
    return said


def _of_halving(beside: Beside) -> list[str]:
    """What is not compared, because it was trained for fewer epochs."""
    if not beside.let_go:
        return []
    return [
        f"{beside.let_go:,} of {beside.competing:,} configurations were let go before their end. "
        "They are not compared: a difference from them would be one of epochs."
    ]


def _of_time(held: HeldOut, column: str | None) -> list[str]:
    """What to know of rows that were divided in the order of a column."""
    if column is None:
        return []
    rows = "each fold's rows come" if held.fold is not None else "these rows come"
    return [
        f"The rows were divided in the order of {column!r}: {rows} after all that trained, as in "
        "use. What is measured is how well that stretch of time is forecast. Rows near each other "
        "in time are alike, so that intervals by a bootstrap over single rows are too narrow, and "
        "another stretch may differ by more than they say. Train again as time goes on."
    ]
