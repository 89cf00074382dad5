"""The training rows of one fold, and the smooth part f of a linear network's loss on them."""

import torch
from torch import Tensor

from worker.training.fleet_data import FleetData
from worker.training.losses import LOSS

BLOCK = 16
"""Columns of a matrix product."""
SURE = 1e-6
"""A share of a class closer to 0 is taken to be this one when the intercept is first set."""


def product(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right``, ``[n, m]`` and ``[m, C]``, a block of columns at a time.

    How many columns a matrix has may change their last bits; between blocks of one size they agree,
    so that a trial is solved alike in any fleet.
    """
    (inner, columns), rows = right.shape, len(left)
    blocks = -(-columns // BLOCK)
    padded = right.new_zeros(inner, blocks * BLOCK)
    padded[:, :columns] = right
    stacked = padded.view(inner, blocks, BLOCK).transpose(0, 1).contiguous()  # [b, m, BLOCK]
    products = torch.bmm(left.expand(blocks, *left.shape), stacked)
    return products.transpose(0, 1).reshape(rows, blocks * BLOCK)[:, :columns]


class TrainingRows:
    """f(w) = Σ c_i·l(x_i'w, y_i) / n, with a column of ones behind the features.

    Shapes: X ``[n, F + 1]``; w ``[K, (F + 1)·O]``; row weights c ``[K, n]``, of mean 1.
    """

    def __init__(self, data: FleetData, fold: int, outputs: int, *, intercept: bool = True) -> None:
        rows = data.parts["train"][fold]
        x = data.x[rows].flatten(1).double()
        ones = torch.full_like(x[:, :1], float(intercept))
        self.x = torch.cat([x, ones], dim=1)
        self.outputs, self.intercept = outputs, intercept
        self._task, self._loss = data.task, data.loss
        squared = data.loss is LOSS["regression"]
        y = data.y[rows]
        self.y = y if self._task == "multiclass" else y.double()
        self._offset = None if data.offset is None else data.offset[rows].double()
        if self._offset is not None and squared:  # what is left of the target is fitted
            self.y, self._offset = self.y - self._offset, None
        self.weights = None if data.weights is None else data.weights[rows].double()
        self.labels = y.long()  # of a regression, which has no classes to weigh: of no use
        square = self.x.square().mean(0)
        scale = torch.where(square > 0, square.sqrt(), torch.ones_like(square))
        self.scale = scale.repeat_interleave(outputs)
        """Root mean square of each weight's column, ``[P]``; 1 of one that is all 0."""
        self._gram: Tensor | None = None
        if squared and self.x.shape[1] <= len(self.x):
            x = self.x if self.weights is None else self.x * self.weights[:, None]
            self._gram = 2 * (x.mT @ self.x) / len(x)
            self._moment = 2 * (x.mT @ self.y[:, None])[:, 0] / len(x)

    @property
    def steepest(self) -> float | None:
        """The largest second derivative of a row's loss."""
        return self._loss.steepest

    def weights_of(self, classes: Tensor | None) -> Tensor | None:
        """c ``[K, n]`` from the weights of the classes ``[K, C]`` and of the rows; none where all
        count 1, ``[1, n]`` where all trials agree.
        """
        if classes is None:
            return None if self.weights is None else self.weights[None]
        of_classes = classes.double()[:, self.labels]
        return of_classes if self.weights is None else of_classes * self.weights

    def start(self, trials: int, weights: Tensor | None) -> Tensor:
        """w ``[K, P]`` with which the intercept alone is fitted; 0 without one."""
        w = self.x.new_zeros(trials, len(self.scale))
        if not self.intercept:
            return w
        c = torch.ones_like(self.x[:, 0])[None] if weights is None else weights
        if self._task == "multiclass":
            of_class = torch.eye(self.outputs, dtype=torch.float64, device=c.device)[self.y]
            share = (c[..., None] * of_class).sum(1) / c.sum(1, keepdim=True)
            logarithms = share.clamp(min=SURE).log()
            w[:, -self.outputs :] = logarithms - logarithms.mean(1, keepdim=True)
        elif self._task == "binary":
            mean = (c * self.y).sum(1) / c.sum(1)
            w[:, -1] = torch.logit(mean.clamp(SURE, 1 - SURE))
        elif self._loss.log_link:
            exposure = torch.ones_like(self.y) if self._offset is None else self._offset.exp()
            w[:, -1] = ((c * self.y).sum(1) / (c * exposure).sum(1)).log()
        else:
            y = self.y if self._offset is None else self.y - self._offset
            w[:, -1] = (c * y).sum(1) / c.sum(1)
        return w

    def scores(self, w: Tensor) -> Tensor:
        """``[K, n, O]``."""
        trials, outputs = len(w), self.outputs
        stacked = w.view(trials, -1, outputs).transpose(0, 1).flatten(1)  # [F + 1, K·O]
        scores = product(self.x, stacked).view(-1, trials, outputs)
        scores = scores.transpose(0, 1).contiguous()
        return scores if self._offset is None else scores + self._offset[:, None]

    def loss(self, w: Tensor, weights: Tensor | None = None) -> Tensor:
        """f ``[K]``."""
        rows = self._loss.value(self.scores(w), self._targets(w))
        rows = rows if weights is None else rows * weights
        # One by one: how a sum is parted must not depend on how many there are.
        return torch.stack([one.mean() for one in rows.unbind()])

    def gradient(self, w: Tensor, weights: Tensor | None = None) -> Tensor:
        """∇f ``[K, P]``."""
        if self._gram is not None:
            return product(self._gram, w.mT).mT - self._moment
        return self._collected(self._loss.slope(self.scores(w), self._targets(w)), weights)

    def hessian(self, w: Tensor, weights: Tensor | None = None) -> Tensor:
        """∇²f ``[K, P, P]``; one ``[1, P, P]`` for all where it does not depend on w."""
        if self._gram is not None:
            return self._gram[None]
        scores = self.scores(w)
        bend = self._loss.curvature(scores, self._targets(w)) / len(self.x)
        p = scores.softmax(2) if self._task == "multiclass" else None
        if weights is not None:
            bend = bend * weights[..., None]
        blocks = [
            self._block(
                bend[k],
                None if p is None else p[k],
                None if weights is None else weights[k % len(weights)],
            )
            for k in range(len(w))
        ]
        return torch.stack(blocks)

    def steepness(self, scale: Tensor, weights: Tensor | None, iterations: int) -> float:
        """The largest eigenvalue of X'CX/n by power iteration, columns divided by ``[F + 1]``."""
        x = self.x / scale
        direction = torch.ones_like(x[0])
        direction += torch.linspace(0, 1, len(direction), device=direction.device)
        largest = torch.ones_like(direction[0])
        for _ in range(iterations):
            image = x @ direction
            image = x.mT @ (image if weights is None else image * weights) / len(x)
            largest = torch.linalg.vector_norm(image)
            direction = image / largest
        return float(largest)

    def _targets(self, w: Tensor) -> Tensor:
        return self.y.expand(len(w), -1)

    def _collected(self, slopes: Tensor, weights: Tensor | None) -> Tensor:
        """Σ slope_i·x_i / n, ``[K, P]`` from ``[K, n, O]``."""
        if weights is not None:
            slopes = slopes * weights[..., None]
        columns = slopes.transpose(0, 1).flatten(1)
        gradient = product(self.x.mT, columns) / len(self.x)  # [F + 1, K·O]
        return gradient.view(-1, len(slopes), self.outputs).transpose(0, 1).flatten(1)

    def _block(self, bend: Tensor, p: Tensor | None, weights: Tensor | None) -> Tensor:
        """∇²f of one trial ``[P, P]``: by one product alone, so that its company is of no account.

        Of a softmax Σ c(diag(p) − pp')⊗xx' / n: what is on the diagonal is taken from p(1 − p),
        which does not cancel.
        """
        if p is None:
            return self.x.mT @ (self.x * bend)
        features, outputs = self.x.shape[1], self.outputs
        size = p.square() if weights is None else p.square() * weights[:, None]
        root = size.sqrt()[:, None, :] * self.x[..., None]  # [n, F + 1, O]
        flat = root.flatten(1)
        whole = -(flat.mT @ flat) / len(self.x)
        view = whole.view(features, outputs, features, outputs)
        for c in range(outputs):
            view[:, c, :, c] = self.x.mT @ (self.x * bend[:, c : c + 1])
        return whole
