"""Differences on the same rows: chance is called chance, whatever it comes from."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tests.contending import answered
from worker.appraisal.differences import Paired, SeedPart, common, fold_seeds, paired, together
from worker.appraisal.measured import Measured, PairedComparison, RowMeasures
from worker.appraisal.resampling import Resamples, Sampled
from worker.results import Difference

N = 80
TRUTH = np.zeros(N)


def measured(errors: Sequence[NDArray[np.float64]], folds: int = 1) -> list[Measured]:
    """Configurations whose networks' errors ``[R, N]`` are these: their losses are the squares."""
    scores = [answered(one[..., None].astype(np.float32), TRUTH, folds=folds) for one in errors]
    rows = RowMeasures(scores[0].held, 1, "", chooses=True)
    return [rows.measure(f"c{n}", n, one) for n, one in enumerate(scores)]


def best_against_first(errors: Sequence[NDArray[np.float64]], folds: int = 1) -> Difference:
    """The best of some configurations against the first, or that against the second."""
    plain, *others = measured(errors, folds)
    order = sorted([plain, *others], key=lambda one: one.metrics["loss"].value)
    compared = PairedComparison(order, chosen_here=True, competing=len(order))
    other = plain if order[0] is not plain else order[1]
    found = compared.against(other, "loss", "twin")
    assert found is not None
    return found


def drawn(rng: np.random.Generator, networks: int, seeds: float) -> NDArray[np.float64]:
    """Errors ``[R, N]`` of a configuration, whose networks differ by their seeds and by rows."""
    hard = np.abs(np.random.default_rng(0).normal(1, 0.5, size=N))
    of_rows = rng.normal(0, 0.2, size=(1, N)) + rng.normal(0, 0.2, size=(networks, N))
    return np.asarray(hard + of_rows + seeds * rng.normal(size=(networks, 1)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("configurations", "networks", "seeds"), [(2, 1, 0.0), (2, 3, 0.1), (12, 1, 0.0)]
)
def test_configurations_that_differ_in_nothing_do_not_differ(
    configurations: int, networks: int, seeds: float
) -> None:
    rng = np.random.default_rng(7)
    unclear = 0
    for _ in range(100):
        errors = [drawn(rng, networks, seeds) for _ in range(configurations)]
        unclear += best_against_first(errors).verdict == "unclear"
    assert unclear >= 90


def test_what_is_better_by_more_than_chance_is_found() -> None:
    rng = np.random.default_rng(7)
    found = [
        best_against_first([drawn(rng, 3, 0.05), *(drawn(rng, 3, 0.05) - 0.4 for _ in range(3))])
        for _ in range(20)
    ]
    assert {one.verdict for one in found} == {"better"}
    assert found[0].seeds == "repeats"


def test_of_one_pair_the_interval_is_that_of_a_paired_bootstrap() -> None:
    rng = np.random.default_rng(3)
    errors = [drawn(rng, 1, 0.0), drawn(rng, 1, 0.0)]
    first, second = measured(errors)
    found = PairedComparison([first, second], chosen_here=False, competing=2).against(
        second, "loss", "contender"
    )
    assert found is not None
    reference = stats.bootstrap(
        (first.rows.losses[0], second.rows.losses[0]),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(1),
    )
    low, high = reference.confidence_interval
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))
    assert found.seeds == "unknown"


def constant(*values: float, rows: int = 1000) -> Sampled:
    """A metric that every resample of the rows finds the same but for a little."""
    each = np.array(values)
    shaken = 1e-6 * np.random.default_rng(0).normal(size=(rows, 1))
    return Sampled(each, each + shaken, (each + shaken).mean(1))


def test_where_seeds_alone_differ_the_interval_is_students() -> None:
    one, other = constant(0.1, 0.5, 0.3, 0.2), constant(0.0, 0.1, 0.0, 0.4)
    found = paired(one, other, [(n, n) for n in range(4)], 1000).interval()
    result = stats.ttest_rel([0.1, 0.5, 0.3, 0.2], [0.0, 0.1, 0.0, 0.4])
    low, high = result.confidence_interval()
    assert found == pytest.approx((low, high), rel=0.05)


def test_seeds_of_which_little_is_known_widen_no_interval_beyond_students() -> None:
    """Five pairs whose differences hardly go beyond what the rows explain: t with 4 degrees."""
    resampled = np.random.default_rng(0).normal(0, 1e-5, 1000)
    unsure = SeedPart(variance=1e-6, degrees=1e-9, least=4)
    found = Paired(np.zeros(5), resampled, unsure, 100)
    assert found.quantile == pytest.approx(stats.t.ppf(0.975, 4))
    low, high = found.interval() or (np.nan, np.nan)
    assert (low, high) == pytest.approx((-0.0028, 0.0028), abs=1e-4)
    assert fold_seeds(*np.eye(2)[:, [0, 0, 1, 1]], np.array([0, 0, 1, 1])).least == 1


def test_what_is_known_of_the_seeds_is_the_least_that_counts() -> None:
    one, other = constant(0.1, 0.1), constant(0.0, 0.0)
    found = paired(one, other, [(0, 0), (1, 1)], 1000, SeedPart(0.02)).interval()
    assert found == pytest.approx((0.1 - 1.96 * 0.1, 0.1 + 1.96 * 0.1), rel=0.05)


def test_the_folds_tell_what_the_seeds_are() -> None:
    fold = np.repeat(np.arange(4), 50)
    rng = np.random.default_rng(0)
    apart = np.array([0.3, -0.1, 0.2, 0.0])
    each = apart[fold] + 0.01 * rng.normal(size=200)
    found = fold_seeds(each, np.zeros(200), fold)
    assert found.variance == pytest.approx(apart.var(ddof=1) / 4, rel=0.05)
    assert found.degrees == pytest.approx(3, rel=0.05)
    assert fold_seeds(0.01 * rng.normal(size=200), np.zeros(200), np.zeros(200)).variance == 0


def test_intervals_that_hold_together_are_as_wide_as_independent_ones_at_most() -> None:
    rng = np.random.default_rng(0)
    whole, resampled = np.zeros(20), rng.normal(size=(4000, 20))
    sidak = stats.norm.ppf(1 - (1 - 0.95 ** (1 / 20)) / 2) / stats.norm.ppf(0.975)
    assert together(whole, resampled) == pytest.approx(sidak, rel=0.03)
    more = stats.norm.ppf(1 - (1 - 0.95 ** (1 / 200)) / 2) / stats.norm.ppf(0.975)
    found = together(whole, resampled, looked_at=20, chosen_from=200)
    assert found == pytest.approx(more, rel=0.03)
    alike = np.repeat(resampled[:, :1], 20, axis=1)
    assert together(whole, alike) == pytest.approx(1.0, abs=0.05)
    assert together(whole[:1], resampled[:, :1]) == 1.0


def test_a_winner_that_rows_chose_is_corrected_for_it() -> None:
    """Of equal configurations the best is as good as any on other rows."""
    rng = np.random.default_rng(2)
    naive, corrected = [], []
    for _ in range(40):
        errors = [np.sqrt(rng.gamma(1.0, size=(1, N))) for _ in range(12)]  # losses of mean 1
        order = sorted(measured(errors), key=lambda one: one.metrics["loss"].value)
        report = PairedComparison(order, chosen_here=True, competing=12).with_correction("loss")
        naive.append(report.metrics["loss"].value)
        corrected.append(report.corrected["loss"].value)
        assert report.corrected["loss"].low < 1 < report.corrected["loss"].high
    assert np.mean(naive) < 0.9
    assert np.mean(corrected) == pytest.approx(1.0, abs=0.04)


def test_networks_of_one_repeat_and_fold_are_paired() -> None:
    assert common([(0, 0), (0, 1), (1, 0)], [(0, 1), (1, 0), (1, 1)]) == [(1, 0), (2, 1)]


def test_a_resample_serves_all_configurations() -> None:
    assert len(Resamples(N)) == 1000
    same = np.abs(np.random.default_rng(0).normal(size=(1, N)))
    found = best_against_first([same, same])
    assert (found.difference, found.low, found.high, found.verdict) == (0, 0, 0, "unclear")
