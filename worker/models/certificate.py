"""The eval-mode certificate: proof, at every load, that a model answers as it should.

Two things are looked at: the network, and the pass that answers, which is made of it (`forward`).
Decisions:

* What can be held to the bit is: the same input twice, and a row in any company, of the pass that
  answers. The network's own kernels vary with the batch, so that it is held to a tolerance.
* A random operation is one whatever it does to the answers: a dropout whose probability is tiny, or
  whose generator is seeded anew each time, would pass every comparison.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.models.forward import Forward
from worker.models.randomness import random_operations
from worker.models.trained_model import TrainedModel
from worker.models.untrained import untrained_inputs
from worker.networks import Network
from worker.regularization.families import RandomLayer
from worker.results import Check
from worker.schema import Settings

TOLERANCE = 1e-4
"""Largest difference of scores, relative to their size: kernels vary with the batch."""
ALONE = 4
"""Rows that the network is given one by one."""
NAMED = 3
"""Operations and inputs that a detail names."""


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

    Seven checks: every module is in eval mode; the same input twice gives the same bits; a row
    alone gives what it gives among others; the answers are those recorded when training ended; no
    operation is random; the pass that answers gives what the network gives; and no input acts whose
    weights were never trained.
    """
    features = model.probe_features[0]
    rows = features.numpy()
    once, answered = model.scores(features), model.forward(rows)
    checks = (
        _eval_mode(model.network),
        _deterministic(len(rows), (once, model.scores(features)), (answered, model.forward(rows))),
        _row_independent(model, features, once),
        _worse(
            close("as_trained", once, model.probe_scores[0]),
            close("as_trained", answered, model.probe_scores[0]),
        ),
        _no_functional_dropout(model, features),
        close("as_network", answered, once),
        _no_untrained_column(model),
    )
    return Certificate(
        issued_at=datetime.now(UTC).isoformat(timespec="seconds"),
        passed=all(check.passed for check in checks),
        checks=checks,
    )


def close(
    name: str, left: Tensor | NDArray[np.float32], right: Tensor | NDArray[np.float32]
) -> Check:
    """The check of this name: that scores are those of `right`, but for rounding."""
    one, other = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        scale = max(1.0, float(np.abs(other).max()))
        difference = float(np.abs(one - other).max()) / scale
    return Check(
        name=name,
        passed=difference <= TOLERANCE,
        detail=f"largest difference {difference:.3g} of the largest score, at most {TOLERANCE:g}",
    )


def no_random_operation(name: str, operations: Iterable[str]) -> Check:
    """The check of this name: that there are none of these operations."""
    random_operations = list(operations)
    named = ", ".join(random_operations[:NAMED]) + (", …" if len(random_operations) > NAMED else "")
    return Check(
        name=name,
        passed=not random_operations,
        detail=f"{len(random_operations)} random operations in a forward pass"
        + f": {named}" * bool(random_operations),
    )


def _eval_mode(network: Network) -> Check:
    training = [name for name, module in network.named_modules() if module.training]
    random = sum(isinstance(m, RandomLayer) for m in network.modules())
    return Check(
        name="eval_mode",
        passed=not training,
        detail=f"{len(training)} modules in training mode; {random} dropout or noise layers silent",
    )


def _no_functional_dropout(model: TrainedModel, features: Tensor) -> Check:
    operations = random_operations(lambda: model.scores(features))
    return no_random_operation("no_functional_dropout", operations)


def _deterministic(
    rows: int,
    network: tuple[Tensor, Tensor],
    answered: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> Check:
    differing = int((network[0] != network[1]).sum()) + int((answered[0] != answered[1]).sum())
    return Check(
        name="deterministic",
        passed=differing == 0,
        detail=f"{rows} rows twice: {differing} scores differ",
    )


def _row_independent(model: TrainedModel, features: Tensor, among: Tensor) -> Check:
    """The network's rows alone, within the tolerance; the pass's in any company, to the bit."""
    few = features[:ALONE]
    alone = torch.cat([model.scores(row[None]) for row in few])
    network = close("row_independent", alone, among[: len(few)])
    compared, differing = _companies(model.forward, features.numpy())
    return Check(
        name="row_independent",
        passed=network.passed and not differing,
        detail=f"alone and in other batches, {differing} of {compared} rows differ in a bit; of "
        f"the network by itself, {network.detail}",
    )


def _companies(forward: Forward, rows: NDArray[np.float32]) -> tuple[int, int]:
    """How many rows were computed alone, at other places and among others, and how many of them
    have other bits than together.
    """
    # Mates of another size: what looks at its mates is told apart by them.
    pool = np.concatenate([rows, -100.0 * rows])
    together = forward(pool)
    few = np.arange(len(pool))
    sizes = {forward.multiple + 1, 2 * forward.multiple - 1, forward.rows_per_chunk + 1}
    batches = [few[n : n + 1] for n in range(len(rows))]
    batches += [np.roll(few, shift) for shift in (1, forward.multiple + 2)]
    batches += [np.resize(few[::-1], size) for size in sizes]
    compared = differing = 0
    for batch in batches:
        # As numbers of 32 bits: two that are no numbers are alike too.
        unlike = forward(pool[batch]).view(np.int32) != together[batch].view(np.int32)
        compared += len(batch)
        differing += int(unlike.any(axis=1).sum())
    return compared, differing


def _worse(*checks: Check) -> Check:
    """The first check that did not pass, or the last one."""
    return next((check for check in checks if not check.passed), checks[-1])


def _no_untrained_column(model: TrainedModel) -> Check:
    untrained, acting = untrained_inputs(model.encoder)
    named = ", ".join(acting[:NAMED]) + (", …" if len(acting) > NAMED else "")
    return Check(
        name="no_untrained_column",
        passed=not acting,
        detail=f"{untrained} of {model.encoder.inputs} inputs tell what no two training rows "
        f"differed in; {len(acting)} of them act" + f": {named}" * bool(acting),
    )
