"""Random numbers follow from seed, place, epoch and step; nothing else moves them."""

import pytest
import torch

from tests.streams import stream
from worker.regularization.families import NoiseLayer
from worker.regularization.noise import Noise
from worker.regularization.random_streams import RandomStreams, Stream

KINDS = ("uniform", "normal", "gaussian", "keep")


def draw(random: Stream, kind: str, *shape: int) -> torch.Tensor:
    """Numbers of the next call, ``[K, *shape]``."""
    if kind == "keep":
        threshold = torch.zeros(random.trials, *[1] * len(shape))
        return random.keep(threshold, *shape)
    numbers: torch.Tensor = getattr(random, kind)(*shape)
    return numbers.expand(random.trials, *numbers.shape[1:])


def epoch_of(
    seeds: list[int],
    kind: str,
    *,
    epoch: int = 0,
    start: int = 0,
    fixed: bool = False,
    columns: int = 7,
) -> torch.Tensor:
    """``[steps, K, 5, columns]``: what each of 9 steps draws, from one of them on."""
    streams = RandomStreams(seeds, fixed=fixed)
    streams.start_epoch(epoch, steps=9, rows=5)
    steps = []
    for step in range(start, 9):
        streams.start_step(step)
        steps.append(draw(streams.at("here"), kind, 5, columns).clone())
    return torch.stack(steps)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trial_draws_what_it_draws_alone(kind: str) -> None:
    company = epoch_of([3, 5, 3, 8, *range(100, 140)], kind)
    for trial, seed in enumerate((3, 5, 3, 8)):
        assert torch.equal(company[:, trial], epoch_of([seed], kind)[:, 0])
    assert not torch.equal(company[:, 0], company[:, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_company_for_which_fewer_steps_are_drawn_ahead_they_are_the_same(kind: str) -> None:
    """605 numbers a step: of one seed, all nine steps' are drawn at once; of 200, four steps'."""
    columns = 121
    alone = epoch_of([3], kind, columns=columns)[:, 0]
    company = epoch_of([*range(1000, 1199), 3], kind, columns=columns)[:, -1]
    assert torch.equal(company, alone)


def test_normal_numbers_are_lent_to_few_seeds_alone() -> None:
    """They are kept for a second pass over the step, so a layer must not write over them."""
    for seeds, lent in (([3], True), ([*range(16)], True), ([*range(17)], False)):
        streams = RandomStreams(seeds)
        streams.start_epoch(0, steps=3, rows=5)
        random = streams.at("here")
        assert random.lends == lent
        scale = torch.full((len(seeds),), 0.5)
        layer = NoiseLayer(Noise, "gaussian", scale, [None] * len(seeds), 3, random, per_row=True)
        h = torch.ones(len(seeds), 5, 7)
        first = layer.remember(h)[0].clone()
        streams.rewind()
        assert torch.equal(layer.remember(h)[0], first)
        assert torch.equal(h, torch.ones_like(h))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [1, 4, 8])
def test_going_on_within_an_epoch_draws_the_same(kind: str, start: int) -> None:
    assert torch.equal(epoch_of([3, 5], kind)[start:], epoch_of([3, 5], kind, start=start))


@pytest.mark.parametrize("kind", KINDS)
def test_as_a_graph_needs_them_they_are_the_same(kind: str) -> None:
    assert torch.equal(epoch_of([3, 5, 3], kind), epoch_of([3, 5, 3], kind, fixed=True))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_epochs_and_places_differ(kind: str) -> None:
    steps = epoch_of([3], kind)
    assert len({tuple(step.flatten().tolist()) for step in steps}) == 9
    assert not torch.equal(steps, epoch_of([3], kind, epoch=1))
    streams = RandomStreams([3])
    assert not torch.equal(draw(streams.at("a"), kind, 50, 7), draw(streams.at("b"), kind, 50, 7))


@pytest.mark.parametrize("kind", KINDS)
def test_a_smaller_batch_takes_the_first_rows(kind: str) -> None:
    streams = RandomStreams([3, 5])
    streams.start_epoch(0, steps=4, rows=5)
    streams.start_step(3)
    whole = draw(streams.at("here"), kind, 5, 7).clone()
    again = RandomStreams([3, 5])
    again.start_epoch(0, steps=4, rows=5)
    again.start_step(3)
    assert torch.equal(draw(again.at("here"), kind, 2, 7), whole[:, :2])


def test_a_second_call_in_a_step_draws_others_and_a_pass_again_the_same() -> None:
    streams = RandomStreams([3])
    first, second = streams.at("here").uniform(8), streams.at("here").uniform(8)
    assert not torch.equal(first, second)
    streams.rewind()
    assert torch.equal(streams.at("here").uniform(8), first)
    assert torch.equal(streams.at("here").uniform(8), second)


def test_permutations_hold_every_number_once() -> None:
    orders = stream(4).permutation(30)
    assert torch.equal(orders.sort(1).values, torch.arange(30).expand(4, 30))
    assert len({tuple(order) for order in orders.tolist()}) == 4


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0, 100.0])
def test_beta_has_its_moments(alpha: float) -> None:
    """Mean ½, variance 1/(4(2α + 1)), fourth central moment 3/(16(2α + 1)(2α + 3))."""
    draws = stream(40_000).beta(torch.full((40_000,), alpha)).double() - 0.5
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(draws.mean()) < 5 * (variance / 40_000) ** 0.5
    assert draws.square().mean() == pytest.approx(variance, rel=0.03)
    fourth = 3 * variance / (4 * (2 * alpha + 3))
    assert (draws**4).mean() == pytest.approx(fourth, rel=0.06)


def test_beta_of_tiny_alpha_is_a_coin() -> None:
    """α → 0: λ is 0 or 1, never NaN, never ½ from two underflows; α = 0 mixes nothing."""
    draws = stream(10_000).beta(torch.full((10_000,), 1e-6))
    assert ((draws == 0) | (draws == 1)).double().mean() > 0.999
    assert draws.mean() == pytest.approx(0.5, abs=0.03)
    assert bool((stream(3).beta(torch.zeros(3)) == 0).all())


def test_beta_has_the_same_bits_in_any_company() -> None:
    alphas = torch.linspace(0.01, 5, 67)
    streams = RandomStreams([7] * 67)
    together = streams.at("here").beta(alphas)
    for trial in (0, 1, 15, 31, 32, 64, 66):
        alone = RandomStreams([7]).at("here").beta(alphas[trial : trial + 1])
        assert torch.equal(alone[0], together[trial])


def test_gaussian_is_the_normal_distribution() -> None:
    """Its moments, its tail, and Kolmogorov's distance (5 % are beyond 1.36/√n)."""
    draws = stream().gaussian(400_000).flatten().double()
    assert draws.mean().item() == pytest.approx(0, abs=0.006)
    assert draws.var().item() == pytest.approx(1, abs=0.01)
    assert (draws**4).mean().item() == pytest.approx(3, abs=0.1)
    assert (draws.abs() > 3).double().mean().item() == pytest.approx(0.0027, rel=0.15)
    reached = torch.special.ndtr(draws.sort().values)
    assert (reached - torch.linspace(0, 1, 400_000)).abs().max() < 1.63 / 400_000**0.5


def test_probabilities_and_ranges() -> None:
    p = torch.tensor([0.0, 0.3, 1.0])
    picks = stream(3).chosen(p, 20_000).mean(1)
    assert picks[0] == 0
    assert picks[1] == pytest.approx(0.3, abs=0.02)
    assert picks[2] == 1
    limits = torch.tensor([0.0, 2.0])
    draws = stream(2).around(limits, 20_000)
    assert bool((draws[0] == 0).all())
    assert draws[1].abs().max() <= 2
    assert draws[1].mean() == pytest.approx(0.0, abs=0.03)
    assert draws[1].var() == pytest.approx(4 / 3, rel=0.03)
