"""Averages of the weights equal those computed by hand along the path."""

import pytest
import torch
from torch import Tensor

from tests.fleets import trained
from tests.weights import SHORT, equals_fleet_of_one, path, served, small_fleet


def flat(tensors: dict[str, Tensor]) -> Tensor:
    """All weights of one trial, end to end."""
    return torch.cat([t.flatten() for n, t in tensors.items() if n.startswith("weights.")])


def final(regularization: dict[str, object]) -> Tensor:
    return flat(served(trained(small_fleet(regularization)).result(), 0))


@pytest.mark.parametrize("warmup", [True, False])
def test_ema(warmup: bool) -> None:
    average = torch.empty(0)
    for number, w in enumerate(path(small_fleet({})), start=1):
        decay = min(0.9, (1 + number) / (10 + number)) if warmup else 0.9
        average = w[0] if number == 1 else decay * average + (1 - decay) * w[0]
    found = final({"ema": {"decay": 0.9, "warmup": warmup}})
    torch.testing.assert_close(found, average, rtol=1e-5, atol=1e-6)


def test_swa() -> None:
    """Five epochs, of which the last three are averaged: .4 · 5 = 2 pass first."""
    run = small_fleet({})
    ends = [w[0] for number, w in enumerate(path(run), 1) if number % run.engine.batches == 0]
    torch.testing.assert_close(final({"swa": {"start": 0.4}}), torch.stack(ends[2:]).mean(0))


def test_lookahead() -> None:
    """SGD is memoryless, so a slow step can be replayed: φ ← φ + α(θ − φ), θ ← φ every k steps."""
    training = {"epochs": 2, "optimizer": {"kind": "sgd", "learning_rate": 0.5}}
    run = small_fleet({"lookahead": {"steps": 3, "step_size": 0.4}}, training=training)
    twin = small_fleet({}, training=training)
    fast = twin.engine.parameters.values[:, : twin.engine.parameters.count]
    slow = fast.clone()
    for number, found in enumerate(path(run), start=1):
        batch = (number - 1) % twin.engine.batches
        if batch == 0:
            twin.engine.start_epoch((number - 1) // twin.engine.batches)
        twin.step(batch)
        if number % 3 == 0:
            slow += 0.4 * (fast - slow)
            fast.copy_(slow)
        torch.testing.assert_close(found, fast, rtol=1e-5, atol=1e-6)
    kept = trained(small_fleet({"lookahead": {"steps": 3, "step_size": 0.4}}, training=training))
    torch.testing.assert_close(flat(served(kept.result(), 0)), slow[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("technique", [{"ema": {"decay": 0.9}}, {"swa": {"start": 0.4}}])
def test_training_goes_on_with_the_weights_themselves(technique: dict[str, object]) -> None:
    for averaged, plain in zip(path(small_fleet(technique)), path(small_fleet({})), strict=True):
        assert torch.equal(averaged, plain)


def test_metrics_are_those_of_the_average() -> None:
    """The last epoch reports what is measured again on the weights that are served."""
    run = small_fleet({"ema": {"decay": 0.95}}, {"swa": {"start": 0.2}}, {"lookahead": {}}, {})
    last = list(run.epochs())[-1]
    for row, result in enumerate(run.results()):
        for name in ("train_loss", "validation_loss", "sparsity"):
            assert result.metrics[name] == pytest.approx(last.metrics[name][row], rel=1e-6)
    losses = last.metrics["train_loss"]
    assert len(set(losses)) == 4


def test_early_stopping_keeps_the_best_average() -> None:
    """The loss falls throughout under a tiny step, so the best average is the last one."""
    both = {"ema": {"decay": 0.9}, "early_stopping": {"patience": 3}}
    run = trained(small_fleet(both, training={**SHORT, "epochs": 4}))
    alone = trained(small_fleet({"ema": {"decay": 0.9}}, training={**SHORT, "epochs": 4}))
    best = run.outcomes[0].best_epoch
    assert best == 4
    assert torch.equal(flat(served(run.result(), 0)), flat(served(alone.result(), 0)))


@pytest.mark.parametrize("technique", [{"ema": {"decay": 0.9}}, {"swa": {"start": 0.4}}])
def test_batch_norm_statistics_are_the_averages_own(technique: dict[str, object]) -> None:
    """Mean over all training batches of their statistics, under the averaged weights."""
    run = trained(small_fleet({"batch_norm": {}, **technique}, {"batch_norm": {}}))
    engine = run.final_engine()
    size, layer = 32, engine.network.get_submodule("layers.0")
    rows = engine.data.parts["train"][0]
    rows = rows[: len(rows) - (len(rows) % size == 1)]
    h = [layer(engine.data.x[chunk].expand(2, -1, -1)) for chunk in torch.split(rows, size)]
    mean = torch.stack([chunk.mean(1) for chunk in h]).mean(0)
    variance = torch.stack([chunk.var(1) for chunk in h]).mean(0)
    found = {n.rsplit(".")[-1]: t for n, t in engine.buffers().items() if n.startswith("norms.0.")}
    torch.testing.assert_close(found["running_mean"][0], mean[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["running_var"][0], variance[0], rtol=1e-4, atol=1e-5)
    alone = trained(small_fleet({"batch_norm": {}}))
    plain = {n: t[0] for n, t in alone.final_engine().buffers().items()}
    for name, tensor in engine.buffers().items():
        assert torch.equal(tensor[1], plain[name]), "a trial that does not average keeps its own"


def test_averages_of_a_mixed_fleet_are_those_of_fleets_of_one() -> None:
    """Each with its own batch normalization, beside the others'."""
    techniques: list[dict[str, object]] = [
        {"ema": {"decay": 0.5}},
        {"swa": {"start": 0.2}},
        {"lookahead": {"steps": 2}},
        {},
    ]
    equals_fleet_of_one(*({**one, "batch_norm": {}} for one in techniques))
