"""Temperature scaling: logits divided by one number, so that probabilities are as sure as right.

Source: Guo, Pleiss, Sun & Weinberger 2017, On calibration of modern neural networks, ICML,
arXiv:1706.04599
"""

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 0.05, 20.0
"""Between these lies a temperature."""
STEPS = 40
"""Of the golden section: the interval of log T shrinks to 1e-8 of itself."""

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def fit_temperature(
    scores: NDArray[np.floating],
    truth: NDArray[np.integer],
    weights: NDArray[np.float64] | None = None,
) -> float:
    """The T > 0 whose probabilities have the least mean log loss, −Σ wᵢ log p(truthᵢ)/Σ wᵢ.

    p is the mean over R networks of softmax(s/T), of one score of (1 − σ(s/T), σ(s/T)). For R = 1
    the loss is convex in 1/T; it is looked for between 0.05 and 20, by golden section in log T.

    Args:
        scores: logits ``[N, O]``, or those of R networks that answer as their mean, ``[R, N, O]``.
        truth: class numbers ``[N]``.
        weights: of the rows ``[N]``; all the same unless given.
    """
    logits = np.asarray(scores, dtype=np.float64)
    logits = logits[None] if logits.ndim == 2 else logits
    if not len(truth) or not np.isfinite(logits).all():
        return 1.0
    shares = np.full(len(truth), 1.0) if weights is None else weights

    def loss(log_t: float) -> float:
        p = true_probabilities(logits / np.exp(log_t), truth)
        return float(-(shares * np.log(np.maximum(p, np.finfo(float).tiny))).sum())

    low, high = np.log(LEAST), np.log(MOST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return float(np.exp((low + high) / 2))


def true_probabilities(
    logits: NDArray[np.float64], truth: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The probability of the true class, ``[N]``, of the mean of R networks ``[R, N, O]``."""
    if logits.shape[2] == 1:
        side = np.where(truth == 1, -logits[..., 0], logits[..., 0])
        each = np.exp(-np.logaddexp(0.0, side))
    else:
        shifted = logits - logits.max(axis=2, keepdims=True)
        chosen = np.take_along_axis(shifted, truth[None, :, None], axis=2)[..., 0]
        each = np.exp(chosen - np.log(np.exp(shifted).sum(axis=2)))
    return np.asarray(each.mean(axis=0))
