"""How far metrics still go from epoch to epoch, from which the part of the seeds is known."""

import numpy as np
import pytest

from worker.runtime.appraising import _wander


def test_it_is_what_a_straight_line_over_the_last_epochs_leaves() -> None:
    epochs = np.arange(40.0)
    shaken = np.random.default_rng(0).normal(0, 0.1, size=40)
    values = (1 - 0.02 * epochs + shaken).tolist()
    found = _wander({"validation_loss": values, "train_loss": values})
    last = np.polynomial.Polynomial.fit(epochs[-10:], values[-10:], 1)(epochs[-10:])
    rest = np.array(values[-10:]) - last
    assert found == {"loss": pytest.approx(np.sqrt(np.square(rest).sum() / 8))}


def test_of_few_epochs_nothing_is_known() -> None:
    assert _wander({"validation_loss": [0.3, 0.2, 0.1]}) == {}
    assert _wander({"validation_loss": [0.3, None, 0.1, 0.2]}) == {}
    assert _wander({"validation_loss": [0.3, float("inf"), 0.1, 0.2]}) == {}
    assert _wander({"validation_loss": [0.4, 0.3, 0.2, 0.1]})["loss"] == pytest.approx(0)
