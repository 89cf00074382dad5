"""The verdict: what regularization bought, and how sure that is, in one sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from worker.results import Difference, MetricInterval, Part
from worker.text import shortened

LONGEST = 80
"""Characters of a configuration's name."""
NAMED = 3
"""Configurations that a sentence names one by one."""
WORDS: dict[Part, str] = {"test": "test", "validation": "validation", "out_of_fold": "out-of-fold"}


@dataclass(frozen=True)
class Facts:
    """What the sentence is made of."""

    part: Part
    rows: int
    metric: str
    winner: str
    value: MetricInterval
    """The winner's, in the metric."""
    competing: int
    searched: bool
    chosen_here: bool
    """Whether the rows chose the winner among several."""
    wins_plain: bool
    """Whether the winner is without any regularization."""
    twin: Difference | None
    """The winner against what is without any."""
    others: Sequence[Difference]
    """The winner against the other configurations, best first."""
    constant: Difference | None
    boosting: Difference | None
    without: Sequence[Difference]
    """The winner against itself without each of its techniques."""


def verdict(facts: Facts) -> str:
    """The sentence."""
    if facts.competing < 2:
        main = _alone(facts)
    elif facts.wins_plain:
        main = _plain_wins(facts)
    elif facts.twin is not None:
        main = _pair(facts, facts.twin)
    elif facts.others:
        main = _pair(facts, facts.others[0])
        main += "; none without regularization was trained beside them"
    else:
        main = _alone(facts)
    parts = [main, _attribution(facts.without), _boosting(facts.boosting)]
    return f"{'; '.join(part for part in parts if part)}."


def _alone(facts: Facts) -> str:
    value = facts.value
    digits = _decimals((value.high - value.low) / 2)
    what = f"a {_measure(facts)} of {value.value:.{digits}f}"
    ends = f"({value.low:.{digits}f} to {value.high:.{digits}f})"
    said = f"{_winner(facts)} has {what} {ends} on {_rows(facts)}"
    constant = facts.constant
    if constant is None:
        return said
    inside = f" in {_words(constant.metric)}" if constant.metric != facts.metric else ""
    if constant.verdict != "unclear":
        amount = _amount(constant)
        return f"{said}, {constant.verdict} than {constant.other_name} by {amount}{inside}"
    return (
        f"{said}: no difference from {constant.other_name} that they could show "
        f"({_signed(constant)})"
    )


def _pair(facts: Facts, difference: Difference) -> str:
    other, measure = _short(difference.other_name), _measure(facts)
    if facts.searched and difference.role == "twin":
        other = f"all switched off ({other})"
    if difference.verdict == "unclear":
        return (
            f"no difference between {_winner(facts)} and {other} that {_these(facts)} could show: "
            f"{_signed(difference)} in {measure}"
        )
    verb = "beats" if difference.verdict == "better" else "is worse than"
    said = f"{_winner(facts)} {verb} {other} by {_amount(difference)} in {measure}"
    return f"{said} on {_rows(facts)}{_seeds(difference)}"


def _plain_wins(facts: Facts) -> str:
    """Nothing that was tried is better: what is worse, and what may be as good."""
    worse = [one for one in facts.others if one.verdict == "better"]
    unclear = [one for one in facts.others if one.verdict == "unclear"]
    winner, measure = _short(facts.winner), _measure(facts)
    if facts.searched:
        return _plain_wins_search(facts, winner)
    better = [one for one in facts.others if one.verdict == "worse"]
    if better:  # on rows that did not choose it
        said = _listed([f"{_short(one.other_name)} by {_amount(one)}" for one in better])
        return f"{winner}, chosen on other rows, is worse than {said} in {measure}"
    names = _listed([_short(one.other_name) for one in unclear])
    if not worse:
        most = max((_half(one) for one in unclear), default=0.0)
        said = f"no difference between {winner} and {names} that {_these(facts)} could show"
        return f"{said}, within {most:.2g} in {measure}"
    first, *rest = [f"{_short(one.other_name)} {{}} {_amount(one)}" for one in worse]
    said = first.format(f"is worse than {winner} by")
    more = [one.format("by") for one in rest]
    said = f"{_listed([said, *more])} in {measure} on {_rows(facts)}{_seeds(worse[0])}"
    return f"{said}; {names} unclear" if unclear else said


def _plain_wins_search(facts: Facts, winner: str) -> str:
    """The best of a search is without regularization: how far the next is from it."""
    said = f"the best of {facts.competing} is without regularization ({winner})"
    if not facts.others:
        return said
    following = facts.others[0]
    next_one, measure = _short(following.other_name), _measure(facts)
    if following.verdict == "unclear":
        return (
            f"{said}; no difference from the next ({next_one}) that {_these(facts)} could show: "
            f"{_signed(following)} in {measure}"
        )
    verb = "beats" if following.verdict == "better" else "is worse than"
    amount = _amount(following)
    return f"{said}; it {verb} the next ({next_one}) by {amount} in {measure} on {_rows(facts)}"


def _attribution(without: Sequence[Difference]) -> str:
    did = {"better": "did it", "worse": "harms", "unclear": "unclear"}
    parts = [
        f"{_listed(names)} {said}"
        for judged, said in did.items()
        if (names := [one.technique or "" for one in without if one.verdict == judged])
    ]
    return "; ".join(parts)


def _boosting(difference: Difference | None) -> str:
    if difference is None:
        return ""
    measure = _words(difference.metric)
    if difference.verdict == "unclear":
        return f"no difference from {difference.other_name} in {measure} ({_signed(difference)})"
    return (
        f"{difference.verdict} than {difference.other_name} by {_amount(difference)} in {measure}"
    )


def _winner(facts: Facts) -> str:
    name = _short(facts.winner)
    if facts.searched:
        return f"the best of {facts.competing} ({name})"
    return f"{name}, the best of {facts.competing}," if facts.competing > 2 else name


def _short(name: str) -> str:
    return shortened(name, LONGEST)


def _measure(facts: Facts) -> str:
    return f"{WORDS[facts.part]} {_words(facts.metric)}"


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _rows(facts: Facts) -> str:
    kind = {"test": "test rows", "validation": "validation rows", "out_of_fold": "rows"}
    said = f"{facts.rows:,} {kind[facts.part]}"
    return f"the {said} that made the choice" if facts.chosen_here else said


def _these(facts: Facts) -> str:
    return f"these {facts.rows:,} rows"


def _seeds(difference: Difference) -> str:
    if difference.seeds != "unknown":
        return ""
    return ", with one training each, so that it may be the seed's"


def _listed(names: Sequence[str]) -> str:
    """As a, b and c; of many the first, and how many more there are."""
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), *names[-1:]])


def _half(difference: Difference) -> float:
    return (difference.high - difference.low) / 2


def _amount(difference: Difference) -> str:
    """How much, without a sign, as "0.024 ± 0.007"; with both ends where ± would hold 0."""
    half, value = _half(difference), abs(difference.difference)
    digits = _decimals(half or value)
    if half < value or difference.verdict == "unclear":
        return f"{value:.{digits}f} ± {half:.{digits}f}"
    least, most = sorted((abs(difference.low), abs(difference.high)))
    return f"{value:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def _signed(difference: Difference) -> str:
    half = _half(difference)
    digits = _decimals(half or abs(difference.difference))
    value = round(difference.difference, digits) + 0.0  # no minus nought
    return f"{value:.{digits}f} ± {half:.{digits}f}"


def _decimals(scale: float) -> int:
    """So many that a number of this size has two digits that are not nought."""
    if not scale or not math.isfinite(scale):
        return 3
    return min(8, max(0, 1 - math.floor(math.log10(scale))))
