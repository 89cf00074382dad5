"""Probabilities against SciPy's, at any size of the scores, each row by itself."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax

from worker.models.forward import mean_scores
from worker.models.probabilities import class_probabilities, mean_member
from worker.spec import TaskKind

ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)
TASKS: list[tuple[TaskKind, int]] = [("binary", 1), ("multiclass", 3), ("multiclass", 11)]


@given(arrays(np.float32, (5, 1), elements=ANY))
def test_of_one_score(scores: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    found = class_probabilities("binary", scores)
    logits = scores.astype(np.float64)
    expected = np.concatenate([expit(-logits), expit(logits)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-45)


@given(arrays(np.float32, (4, 7), elements=ANY))
def test_of_several_scores(scores: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    found = class_probabilities("multiclass", scores)
    expected = softmax(scores.astype(np.float64), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-45)


@pytest.mark.parametrize(("task", "outputs"), TASKS)
def test_a_row_has_its_own_bits(task: TaskKind, outputs: int) -> None:
    scores = np.random.default_rng(0).standard_normal((300, outputs), dtype=np.float32) * 9
    members = [scores, scores[::-1].copy(), 2 * scores]
    together = class_probabilities(task, scores)
    mean = mean_member(task, members)
    for count in range(1, 40):
        part = slice(count % 5, count % 5 + count)
        assert class_probabilities(task, scores[part]).tobytes() == together[part].tobytes()
        found = mean_member(task, [member[part] for member in members])
        assert found.tobytes() == mean[part].tobytes()


@pytest.mark.parametrize(("task", "outputs"), [*TASKS, ("regression", 1)])
def test_the_mean_member_is_that_of_training(task: TaskKind, outputs: int) -> None:
    rng = np.random.default_rng(0)
    members = rng.standard_normal((5, 200, outputs), dtype=np.float32) * 4
    expected = mean_scores(task, torch.from_numpy(members)[None], torch.tensor([5]))[0]
    found = mean_member(task, list(members))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_the_mean_of_certain_members_is_finite() -> None:
    """Their probabilities are 0 and 1 in float64 too."""
    sure = np.array([[2000.0], [-2000.0]], dtype=np.float32)
    np.testing.assert_allclose(mean_member("binary", [sure, sure]), sure)
    np.testing.assert_allclose(mean_member("binary", [sure, -sure]), [[0.0], [0.0]])
