"""The eval-mode certificate: proof, at every load, that a model answers as it should."""

from datetime import UTC, datetime

import torch

from worker.models.trained_model import TrainedModel
from worker.networks import Network
from worker.regularization.families import RandomLayer
from worker.results import Check
from worker.schema import Settings

TOLERANCE = 1e-4
"""Largest difference of scores, relative to their size: kernels vary with the batch."""


class Certificate(Settings):
    """What was checked when a model was loaded, and whether all of it held."""

    issued_at: str
    """When, in UTC (RFC 3339)."""
    passed: bool
    """Only a model that passed is served."""
    checks: tuple[Check, ...]
    """Each check with what it saw."""


def certify(model: TrainedModel) -> Certificate:
    """Check that a loaded model is deterministic, independent of batch mates, and the one trained.

    Four checks: every module is in eval mode; the same input twice gives the same bits; a row
    alone gives what it gives among others; the answers are those recorded when training ended.
    """
    features = model.probe_features[0]
    once, again = model.scores(features), model.scores(features)
    alone = torch.cat([model.scores(row[None]) for row in features])
    checks = (
        _eval_mode(model.network),
        Check(
            name="deterministic",
            passed=torch.equal(once, again),
            detail=f"{len(features)} rows twice: {int((once != again).sum())} scores differ",
        ),
        _close("row_independent", once, alone),
        _close("as_trained", once, model.probe_scores[0]),
    )
    return Certificate(
        issued_at=datetime.now(UTC).isoformat(timespec="seconds"),
        passed=all(check.passed for check in checks),
        checks=checks,
    )


def _eval_mode(network: Network) -> Check:
    training = [name for name, module in network.named_modules() if module.training]
    random = sum(isinstance(m, RandomLayer) for m in network.modules())
    return Check(
        name="eval_mode",
        passed=not training,
        detail=f"{len(training)} modules in training mode; {random} dropout or noise layers silent",
    )


def _close(name: str, left: torch.Tensor, right: torch.Tensor) -> Check:
    scale = max(1.0, float(right.abs().max()))
    difference = float((left - right).abs().max()) / scale
    return Check(
        name=name,
        passed=difference <= TOLERANCE,
        detail=f"largest difference {difference:.3g} of the largest score, at most {TOLERANCE:g}",
    )
