"""A fleet of 64: the same trials as alone, and the same chances as a textbook's loop."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp, levene, ttest_ind
from torch import nn
from torch.nn import functional

from tests.fleets import ADAM, fleet, trained
from tests.source import ROOT
from worker.training import FleetRun

K = 64
SHORT = {**ADAM, "epochs": 5}
P = 0.3
CHANCE = 0.001
"""Samples of one distribution are taken for two of them this often; the seeds are fixed."""


def stacked(run: FleetRun) -> dict[str, torch.Tensor]:
    """The final weights by name, ``[K, …]``."""
    return {n: t for n, t in run.result().tensors.items() if n.startswith("weights.")}


def test_trials_among_64_equal_their_fleets_of_one() -> None:
    """Penalties, decays and rates that differ by trial, after five epochs, within 1e-4.

    Eight of them, the ends among them, are trained alone. Where measured, the bits were equal.
    """
    variants: list[dict[str, Any]] = [
        {
            "name": f"{k}",
            "regularization": {
                "l1": {"strength": 1e-5 * 1.1**k},
                "l2": {"strength": 1e-4 * (k % 8)},
                "weight_decay": {"strength": 1e-3 * (k % 5)},
            },
            "training": {
                **SHORT,
                "seed": k % 3,
                "optimizer": {"kind": "adam", "learning_rate": 1e-3 * (1 + k % 7)},
            },
        }
        for k in range(K)
    ]
    together = stacked(trained(fleet(compare=variants)))
    for k in range(0, K, K // 7):
        for name, tensor in stacked(trained(fleet(compare=[variants[k]]))).items():
            torch.testing.assert_close(tensor[0], together[name][k], rtol=1e-4, atol=1e-4)


TEXTBOOK: list[float] = json.loads((ROOT / "tests/assets/textbook_losses.json").read_text())
"""Losses of ``textbook_loss`` for the seeds 0 to 63."""


def textbook_loss(seed: int) -> float:
    """The training loss in eval mode, after five epochs of nn.Sequential with dropout."""
    run = fleet(split={"validation": 0.0}, training=SHORT)
    x = torch.from_numpy(run.prepared.x[0])
    y = torch.from_numpy(run.prepared.y[0]).float()[:, None]
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(2, 50), nn.ReLU(), nn.Dropout(P),
        nn.Linear(50, 50), nn.ReLU(), nn.Dropout(P), nn.Linear(50, 1),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(SHORT["epochs"]):
        for rows in torch.split(torch.randperm(len(x)), 32):
            optimizer.zero_grad()
            loss = functional.binary_cross_entropy_with_logits(model(x[rows]), y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        scores = model.eval()(x)
        return float(functional.binary_cross_entropy_with_logits(scores, y))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_stored_losses_are_the_textbooks() -> None:
    """To the rounding of another machine, which five epochs make larger."""
    assert [textbook_loss(seed) for seed in range(K)] == pytest.approx(TEXTBOOK, rel=0.02)


def losses(p: float) -> list[float]:
    """The same of one fleet: 64 seeds on all rows of the owner's problem."""
    seeds = [
        {
            "name": f"{seed}",
            "regularization": {"dropout": {"p": p}},
            "training": {**SHORT, "seed": seed},
        }
        for seed in range(K)
    ]
    run = trained(fleet(split={"validation": 0.0}, compare=seeds))
    return [result.metrics["train_loss"] or 0.0 for result in run.results()]


@pytest.mark.slow
def test_dropout_has_the_distribution_of_a_textbooks_loop() -> None:
    """Two samples of 64 seeds: equal mean (Welch), equal spread (Levene), equal shape (KS)."""
    ours = losses(P)
    assert len({round(loss, 6) for loss in ours}) == K, "every seed is another run"
    assert ttest_ind(ours, TEXTBOOK, equal_var=False).pvalue > CHANCE
    assert levene(ours, TEXTBOOK).pvalue > CHANCE
    assert ks_2samp(ours, TEXTBOOK).pvalue > CHANCE


@pytest.mark.slow
def test_these_samples_are_large_enough_to_tell() -> None:
    """Without dropout the mean is another one, and 64 seeds show it."""
    ours = losses(0.0)
    assert np.mean(ours) < np.mean(TEXTBOOK)
    assert ttest_ind(ours, TEXTBOOK, equal_var=False).pvalue < 1e-3
