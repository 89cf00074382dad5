"""What a search found, from plain records."""

import math

import pytest

from worker.results.ranking import Rank, rank
from worker.results.search import SearchReport
from worker.search.report.axes import Axis, ConfigurationResult
from worker.search.report.choice import simplicity
from worker.search.report.report import boundary_hints, median, summarize
from worker.search.report.surface import objective_profile, objective_surface

L1 = Axis("regularization.l1.strength", low=1e-6, high=1e-2, log=True, minimum=0.0, maximum=1e6)
DROPOUT = Axis("regularization.dropout")
P = Axis("regularization.dropout.p", low=0.0, high=0.8, minimum=0.0, maximum=0.99)
HIDDEN = Axis("network.hidden", values=([10], [50, 50]))
RATE = Axis("training.optimizer.learning_rate", values=(0.1, 0.001, 0.01))


def result(
    number: int, *values: float, halved: bool = False, **overrides: object
) -> ConfigurationResult:
    paths = {"l1": L1, "dropout": DROPOUT, "p": P, "hidden": HIDDEN, "rate": RATE}
    named = {paths[name].path: value for name, value in overrides.items()}
    return ConfigurationResult(number, named, values, halved)


def ranked(results: list[ConfigurationResult], *, maximize: bool) -> list[ConfigurationResult]:
    """As a service ranks them, each having as many replicas as the one with most values."""

    def rank_of(result: ConfigurationResult) -> Rank:
        return rank(
            result.configuration,
            [-value if maximize else value for value in result.values],
            missing=replicas - len(result.values),
            halved=result.halved,
        )

    replicas = max(len(result.values) for result in results)
    return sorted((result for result in results if result.values), key=rank_of)


def report(axes: list[Axis], results: list[ConfigurationResult], *, maximize: bool) -> SearchReport:
    return summarize(axes, ranked(results, maximize=maximize), maximize=maximize)


def test_positions_are_even_on_the_scale() -> None:
    assert L1.position(1e-4) == pytest.approx(0.5)
    assert P.position(0.2) == pytest.approx(0.25)
    assert RATE.position(0.01) == 0.5
    assert (
        DROPOUT.position(False),
        DROPOUT.position(True),
        DROPOUT.position(None),
    ) == (0, 1, 0)
    assert P.position(None) is None
    assert HIDDEN.position([50, 50]) == 1.0
    assert [axis.kind for axis in (L1, RATE, HIDDEN, DROPOUT)] == [
        "number",
        "number",
        "choice",
        "switch",
    ]


def test_nothing_finished_says_nothing() -> None:
    found = report([L1, P], [result(0, l1=1e-4, p=0.1)], maximize=False)
    assert (found.finished, found.fields, found.curves, found.hints) == (0, [], [], [])
    assert (found.winner, found.fit, found.surface) == (None,) * 3
    assert found.one_standard_error.note


def test_the_winner_is_complete_and_has_students_interval() -> None:
    given = [
        result(0, 0.30, 0.32, 0.34, l1=1e-4),
        result(1, 0.10, l1=1e-5),
        result(2, 0.40, 0.40, 0.40, l1=1e-3),
    ]
    found = report([L1], given, maximize=False)
    assert found.winner is not None
    assert found.winner.configuration == 0
    assert found.winner.mean == pytest.approx(0.32)
    assert found.winner.standard_error == pytest.approx(0.02 / math.sqrt(3))
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert found.winner.interval == pytest.approx((0.32 - half, 0.32 + half))
    order = ranked(given, maximize=False)
    assert [entry.configuration for entry in order] == [0, 2, 1]
    assert median(order) is given[2]


def test_more_may_be_better() -> None:
    found = report([L1], [result(0, 0.8, l1=1e-4), result(1, 0.9, l1=1e-5)], maximize=True)
    assert found.winner is not None
    assert found.winner.configuration == 1
    assert found.winner.interval is None
    assert "repeats" in (found.one_standard_error.note or "")


def test_the_simplest_within_one_standard_error() -> None:
    given = [
        result(0, 0.30, 0.32, 0.34, l1=1e-5, dropout=False),
        result(1, 0.31, 0.33, 0.34, l1=1e-3, dropout=False),
        result(2, 0.31, 0.33, 0.34, l1=1e-5, dropout=True, p=0.4),
        result(3, 0.41, 0.43, 0.44, l1=1e-2, dropout=True, p=0.8),
        result(4, 0.325, l1=1e-2, dropout=True, p=0.8),
    ]
    found = report([L1, DROPOUT, P], given, maximize=False).one_standard_error
    assert found.limit == pytest.approx(0.32 + 0.02 / math.sqrt(3))
    assert found.within == 3
    assert found.choice is not None
    # Amounts of λ and p: ¾ and 0 against ¼ and ½: equal, but dropout is one more technique.
    assert found.choice.configuration in {1, 2}
    alone = report([L1, DROPOUT, P], [given[0], given[3]], maximize=False).one_standard_error
    assert alone.choice is not None
    assert alone.choice.configuration == 0
    assert "itself" in (alone.note or "")


@pytest.mark.parametrize("maximize", [False, True])
def test_what_halving_let_go_is_no_simplest(maximize: bool) -> None:
    """It has as many values, as good and from a simpler configuration, but of an early epoch."""
    sign = -1 if maximize else 1
    winner = result(0, *(sign * value for value in (0.30, 0.32, 0.34)), l1=1e-5)
    values = tuple(sign * value for value in (0.31, 0.33, 0.34))
    halved = result(1, *values, l1=1e-2, halved=True)
    rule = report([L1], [winner, halved], maximize=maximize).one_standard_error
    assert rule.within == 1
    assert rule.choice is not None
    assert rule.choice.configuration == 0
    whole = report([L1], [winner, result(1, *values, l1=1e-2)], maximize=maximize)
    assert whole.one_standard_error.within == 2
    assert whole.one_standard_error.choice is not None
    assert whole.one_standard_error.choice.configuration == 1


def test_a_smaller_network_is_simpler_than_any_regularization() -> None:
    axes = [HIDDEN, L1]
    small = simplicity(axes, {HIDDEN.path: [10], L1.path: 1e-6})
    large = simplicity(axes, {HIDDEN.path: [50, 50], L1.path: 1e-2})
    assert small < large
    assert simplicity([L1], {L1.path: 1e-2}) < simplicity([L1], {L1.path: 1e-3})
    patience = Axis("regularization.early_stopping.patience", low=1, high=20)
    assert simplicity([patience], {patience.path: 2}) < simplicity([patience], {patience.path: 9})


def test_fields_that_hold_nothing_back_leave_no_simplest() -> None:
    given = [result(0, 0.3, 0.4, rate=0.1), result(1, 0.31, 0.4, rate=0.01)]
    found = report([RATE], given, maximize=False).one_standard_error
    assert found.choice is None
    assert found.within == 2
    assert "No searched field" in (found.note or "")


def test_the_surface_counts_and_averages() -> None:
    given = [
        result(4 * row + column, float(row + column), l1=10.0 ** -(5.5 - column), p=0.1 + 0.2 * row)
        for row in range(4)
        for column in range(4)
    ]
    given.append(result(99, 5.0, l1=1e-4))  # dropout is off
    found = objective_surface(L1, P, given, maximize=False)
    assert (len(found.y_bins), len(found.x_bins)) == (2, 2)
    assert found.count == [[4, 4], [4, 4]]
    assert found.mean == [[1.0, 3.0], [3.0, 5.0]]
    assert found.best[0][0] == 0.0
    assert found.x_bins[0].high == pytest.approx(1e-4)
    assert (found.x_bins[0].low, found.x_bins[-1].high) == (1e-6, 1e-2)


def test_few_values_have_a_bin_each_and_off_has_its_own() -> None:
    given = [
        result(0, 1.0, dropout=True, p=0.5),
        result(1, 3.0, dropout=True, p=0.5),
        result(2, 7.0, dropout=False),
    ]
    bins = objective_profile(P, given, maximize=True)
    assert [(part.value, part.mean, part.best, part.count) for part in bins] == [
        (0.5, 2.0, 3.0, 2),
        (None, 7.0, 7.0, 1),
    ]
    switch = objective_profile(DROPOUT, given, maximize=True)
    assert [(part.value, part.count) for part in switch] == [(False, 1), (True, 2)]


def test_the_surface_is_of_the_two_numbers_that_vary() -> None:
    given = [result(n, float(n), l1=1e-4, p=n / 10, rate=0.01 if n % 2 else 0.1) for n in range(8)]
    found = report([L1, P, RATE, HIDDEN], given, maximize=False).surface
    assert found is not None
    assert (found.x, found.y) == (P.path, RATE.path)
    assert report([L1, P], given, maximize=False).surface is None


def test_the_best_on_an_edge_says_what_to_search_next() -> None:
    (hint,) = boundary_hints([L1, P, RATE], {L1.path: 9e-3, P.path: 0.4, RATE.path: 0.01})
    assert (hint.path, hint.edge) == (L1.path, "high")
    assert hint.low == pytest.approx(1e-4)
    assert hint.high == pytest.approx(1.0)
    assert "search 0.0001 to 1 next" in hint.message


def test_a_field_that_ends_there_goes_no_further() -> None:
    (low,) = boundary_hints([P], {P.path: 0.01})
    assert (low.edge, low.low, low.high) == ("low", None, None)
    assert "left out" in low.message
    (high,) = boundary_hints([P], {P.path: 0.79})
    assert (high.low, high.high) == (0.4, 0.99)


def test_the_end_of_a_list_asks_for_more_values() -> None:
    (hint,) = boundary_hints([RATE, HIDDEN], {RATE.path: 0.1, HIDDEN.path: [10]})
    assert (hint.path, hint.edge) == (RATE.path, "high")
    assert "add values above" in hint.message
    assert boundary_hints([P], {}) == []
