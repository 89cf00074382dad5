"""What a search found, from plain records."""

import math

import pytest

from worker.search.report.edges import hints
from worker.search.report.records import Axis, Record
from worker.search.report.report import report
from worker.search.report.simplicity import simplicity
from worker.search.report.surface import profile, surface

L1 = Axis("regularization.l1.strength", low=1e-6, high=1e-2, log=True, minimum=0.0, maximum=1e6)
DROPOUT = Axis("regularization.dropout")
P = Axis("regularization.dropout.p", low=0.0, high=0.8, minimum=0.0, maximum=0.99)
HIDDEN = Axis("network.hidden", values=([10], [50, 50]))
RATE = Axis("training.optimizer.learning_rate", values=(0.1, 0.001, 0.01))


def record(number: int, *values: float, missing: int = 0, **overrides: object) -> Record:
    paths = {"l1": L1, "dropout": DROPOUT, "p": P, "hidden": HIDDEN, "rate": RATE}
    named = {paths[name].path: value for name, value in overrides.items()}
    return Record(number, named, values, missing)


def test_positions_are_even_on_the_scale() -> None:
    assert L1.position(1e-4) == pytest.approx(0.5)
    assert P.position(0.2) == pytest.approx(0.25)
    assert RATE.position(0.01) == 0.5
    assert (DROPOUT.position(False), DROPOUT.position(True), DROPOUT.position(None)) == (0, 1, 0)
    assert P.position(None) is None
    assert HIDDEN.position([50, 50]) == 1.0
    assert [axis.kind for axis in (L1, RATE, HIDDEN, DROPOUT)] == [
        "number",
        "number",
        "choice",
        "switch",
    ]


def test_nothing_finished_says_nothing() -> None:
    found = report([L1, P], [record(0, l1=1e-4, p=0.1, missing=2)], maximize=False)
    assert (found.winner, found.median, found.importance, found.surface) == (None,) * 4
    assert found.order == found.hints == ()
    assert found.simplest.note


def test_the_winner_is_complete_and_has_students_interval() -> None:
    given = [
        record(0, 0.30, 0.32, 0.34, l1=1e-4),
        record(1, 0.10, l1=1e-5, missing=2),
        record(2, 0.40, 0.40, 0.40, l1=1e-3),
    ]
    found = report([L1], given, maximize=False)
    assert found.winner is not None
    assert found.winner.record.configuration == 0
    assert found.winner.mean == pytest.approx(0.32)
    assert found.winner.error == pytest.approx(0.02 / math.sqrt(3))
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert found.winner.interval == pytest.approx((0.32 - half, 0.32 + half))
    assert [entry.configuration for entry in found.order] == [0, 2, 1]
    assert found.median is given[2]


def test_more_may_be_better() -> None:
    found = report([L1], [record(0, 0.8, l1=1e-4), record(1, 0.9, l1=1e-5)], maximize=True)
    assert found.winner is not None
    assert found.winner.record.configuration == 1
    assert found.winner.interval is None
    assert "repeats" in (found.simplest.note or "")


def test_the_simplest_within_one_standard_error() -> None:
    given = [
        record(0, 0.30, 0.32, 0.34, l1=1e-5, dropout=False),
        record(1, 0.31, 0.33, 0.34, l1=1e-3, dropout=False),
        record(2, 0.31, 0.33, 0.34, l1=1e-5, dropout=True, p=0.4),
        record(3, 0.41, 0.43, 0.44, l1=1e-2, dropout=True, p=0.8),
        record(4, 0.325, l1=1e-2, dropout=True, p=0.8, missing=2),
    ]
    found = report([L1, DROPOUT, P], given, maximize=False).simplest
    assert found.limit == pytest.approx(0.32 + 0.02 / math.sqrt(3))
    assert found.within == 3
    assert found.choice is not None
    # Amounts of λ and p: ¾ and 0 against ¼ and ½: equal, but dropout is one more technique.
    assert found.choice.record.configuration in {1, 2}
    alone = report([L1, DROPOUT, P], [given[0], given[3]], maximize=False).simplest
    assert alone.choice is not None
    assert alone.choice.record is given[0]
    assert "itself" in (alone.note or "")


@pytest.mark.parametrize("maximize", [False, True])
def test_what_halving_let_go_is_no_simplest(maximize: bool) -> None:
    """It has as many values, as good and from a simpler configuration, but of an early epoch."""
    sign = -1 if maximize else 1
    winner = record(0, *(sign * value for value in (0.30, 0.32, 0.34)), l1=1e-5)
    values = tuple(sign * value for value in (0.31, 0.33, 0.34))
    halved = Record(1, {L1.path: 1e-2}, values, halved=True)
    found = report([L1], [winner, halved], maximize=maximize).simplest
    assert found.within == 1
    assert found.choice is not None
    assert found.choice.record is winner
    whole = report([L1], [winner, Record(1, {L1.path: 1e-2}, values)], maximize=maximize).simplest
    assert whole.within == 2
    assert whole.choice is not None
    assert whole.choice.record.configuration == 1


def test_a_smaller_network_is_simpler_than_any_regularization() -> None:
    axes = [HIDDEN, L1]
    small = simplicity(axes, {HIDDEN.path: [10], L1.path: 1e-6})
    large = simplicity(axes, {HIDDEN.path: [50, 50], L1.path: 1e-2})
    assert small < large
    assert simplicity([L1], {L1.path: 1e-2}) < simplicity([L1], {L1.path: 1e-3})
    patience = Axis("regularization.early_stopping.patience", low=1, high=20)
    assert simplicity([patience], {patience.path: 2}) < simplicity([patience], {patience.path: 9})


def test_fields_that_hold_nothing_back_leave_no_simplest() -> None:
    given = [record(0, 0.3, 0.4, rate=0.1), record(1, 0.31, 0.4, rate=0.01)]
    found = report([RATE], given, maximize=False).simplest
    assert found.choice is None
    assert found.within == 2
    assert "No searched field" in (found.note or "")


def test_the_surface_counts_and_averages() -> None:
    given = [
        record(4 * row + column, float(row + column), l1=10.0 ** -(5.5 - column), p=0.1 + 0.2 * row)
        for row in range(4)
        for column in range(4)
    ]
    given.append(record(99, 5.0, l1=1e-4))  # dropout is off
    found = surface(L1, P, given, maximize=False)
    assert (len(found.y_bins), len(found.x_bins)) == (2, 2)
    assert [[cell.count for cell in row] for row in found.cells] == [[4, 4], [4, 4]]
    assert [[cell.mean for cell in row] for row in found.cells] == [[1.0, 3.0], [3.0, 5.0]]
    assert found.cells[0][0].best == 0.0
    assert found.x_bins[0].high == pytest.approx(1e-4)
    assert (found.x_bins[0].low, found.x_bins[-1].high) == (1e-6, 1e-2)


def test_few_values_have_a_bin_each_and_off_has_its_own() -> None:
    given = [
        record(0, 1.0, dropout=True, p=0.5),
        record(1, 3.0, dropout=True, p=0.5),
        record(2, 7.0, dropout=False),
    ]
    bins = profile(P, given, maximize=True)
    assert [(part.value, cell.mean, cell.best, cell.count) for part, cell in bins] == [
        (0.5, 2.0, 3.0, 2),
        (None, 7.0, 7.0, 1),
    ]
    switch = profile(DROPOUT, given, maximize=True)
    assert [(part.value, cell.count) for part, cell in switch] == [(False, 1), (True, 2)]


def test_the_surface_is_of_the_two_numbers_that_vary() -> None:
    given = [record(n, float(n), l1=1e-4, p=n / 10, rate=0.01 if n % 2 else 0.1) for n in range(8)]
    found = report([L1, P, RATE, HIDDEN], given, maximize=False).surface
    assert found is not None
    assert (found.x, found.y) == (P, RATE)
    assert report([L1, P], given, maximize=False).surface is None


def test_the_best_on_an_edge_says_what_to_search_next() -> None:
    (hint,) = hints([L1, P, RATE], {L1.path: 9e-3, P.path: 0.4, RATE.path: 0.01})
    assert (hint.path, hint.edge) == (L1.path, "high")
    assert hint.low == pytest.approx(1e-4)
    assert hint.high == pytest.approx(1.0)
    assert "search 0.0001 to 1 next" in hint.message


def test_a_field_that_ends_there_goes_no_further() -> None:
    (low,) = hints([P], {P.path: 0.01})
    assert (low.edge, low.low, low.high) == ("low", None, None)
    assert "left out" in low.message
    (high,) = hints([P], {P.path: 0.79})
    assert (high.low, high.high) == (0.4, 0.99)


def test_the_end_of_a_list_asks_for_more_values() -> None:
    (hint,) = hints([RATE, HIDDEN], {RATE.path: 0.1, HIDDEN.path: [10]})
    assert (hint.path, hint.edge) == (RATE.path, "high")
    assert "add values above" in hint.message
    assert hints([P], {}) == []
