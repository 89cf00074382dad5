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
    groups: int = 0
    """Of how many groups the rows are, drawn as wholes; 0 where each row stands for itself."""
    let_go: int = 0
    """How many of those that competed were not trained to the end."""


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
        trained = "trained to the end" if facts.let_go else "trained"
        main += f"; none without regularization was {trained} beside them"
    else:
        main = _alone(facts)
    parts = [main, _attribution(facts.without), _boosting(facts.boosting)]
    return f"{'; '.join(part for part in parts if part)}."


def _alone(facts: Facts) -> str:
    value = facts.value
    digits = _decimals((value.high - value.low) / 2)
    what = f"{_a(_measure(facts))} of {_shown(value.value, digits)}"
    ends = f"({_shown(value.low, digits)} to {_shown(value.high, digits)})"
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
    if _alike(difference):
        return f"{_winner(facts)} and {other} give the same answers on {_these(facts)}"
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
        if all(_alike(one) for one in unclear):
            alike = _listed([winner, *(_short(one.other_name) for one in unclear)])
            return f"{alike} give the same answers on {_these(facts)}"
        among = _listed([winner, *(_short(one.other_name) for one in unclear)])
        most = max((_half(one) for one in unclear), default=0.0)
        said = f"no difference between {among} that {_these(facts)} could show"
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


def of_one_row(facts: Facts) -> str:
    """The sentence of a single row, or a single group, which tells nothing of others."""
    value, kind = facts.value.value, "group" if facts.groups else "row"
    said = f"{_winner(facts)} has {_a(_measure(facts))} of {_shown(value, 3)} on {_rows(facts)}"
    return f"{said}: a single {kind} does not tell what others would."


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _rows(facts: Facts) -> str:
    kind = {"test": "test row", "validation": "validation row", "out_of_fold": "row"}
    said = f"{facts.rows:,} {kind[facts.part]}{'s' if facts.rows != 1 else ''}"
    if facts.groups:
        said += f" of {facts.groups:,} group{'s' if facts.groups != 1 else ''}"
    return f"the {said} that made the choice" if facts.chosen_here else said


def _these(facts: Facts) -> str:
    of = f" of {facts.groups:,} groups" if facts.groups else ""
    return f"these {facts.rows:,} rows{of}"


def _alike(difference: Difference) -> bool:
    """Whether every row came to the same, and every resample of them."""
    return difference.low == difference.difference == difference.high == 0


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
        return f"{_shown(value, digits)} ± {_shown(half, digits)}"
    least, most = sorted((abs(difference.low), abs(difference.high)))
    return f"{_shown(value, digits)} ({_shown(least, digits)} to {_shown(most, digits)})"


def _signed(difference: Difference) -> str:
    half = _half(difference)
    digits = _decimals(half or abs(difference.difference))
    value = round(difference.difference, digits) + 0.0  # no minus nought
    return f"{_shown(value, digits)} ± {_shown(half, digits)}"


MOST_DECIMALS = 8
"""Beyond it numbers are written with an exponent."""


def _decimals(scale: float) -> int:
    """So many that a number of this size has two digits that are not nought."""
    if not scale or not math.isfinite(scale):
        return 3
    return max(0, 1 - math.floor(math.log10(scale)))


def _shown(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if decimals <= MOST_DECIMALS else f"{value:.2g}"
