"""How it is trained: epochs, batches, optimizer, learning-rate schedule, seed."""

from typing import Annotated, Literal

from pydantic import Field

from worker.schema import Settings

LearningRate = Annotated[float, Field(gt=0.0, le=100.0)]
Beta = Annotated[float, Field(ge=0.0, lt=1.0)]


class SgdSpec(Settings):
    """w ← w − η·v, with v the (optionally Nesterov) momentum of the gradient."""

    kind: Literal["sgd"]
    """Always `sgd`."""
    learning_rate: LearningRate = 0.1
    """η, the step size."""
    momentum: Beta = 0.0
    """v ← momentum·v + g."""
    nesterov: bool = False
    """Look ahead: step along g + momentum·v."""


class AdamSpec(Settings):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980): steps scaled by the gradient's moments."""

    kind: Literal["adam"] = "adam"
    """Always `adam`."""
    learning_rate: LearningRate = 0.001
    """η, the step size."""
    beta1: Beta = 0.9
    """Decay of the mean of gradients."""
    beta2: Beta = 0.999
    """Decay of the mean of squared gradients."""
    epsilon: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-8
    """Added to the denominator."""


class AdamWSpec(AdamSpec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101).

    The decay itself is the technique `weight_decay`; without it there is none, because this
    service hides no regularization in an optimizer's default.
    """

    kind: Literal["adamw"]  # type: ignore[assignment]
    """Always `adamw`."""


NEWTON_WEIGHTS = 2_000
"""The most weights of a trial for which a solver's `auto` takes Newton's method."""


class SolverSpec(Settings):
    """For the network `linear` alone: solves for the optimum, which is unique with a penalty.

    Newton's method over all training rows: each iteration minimizes the second-order model of the
    loss with the penalties as they are, kinks included, and searches along the line to that
    minimum. It ends where no entry of the gradient mapping exceeds `tolerance` times the largest
    entry of the gradient with the intercept alone, each column taken at a root mean square of 1:
    badly scaled columns do not matter. `l1`, `l2`, `elastic_net` and
    `group_lasso` are exact, with exact zeros, and the intercept is not penalized; `class_weights`
    weigh the rows. Docstrings convert strengths from scikit-learn's, and the report of a job has
    its `equivalents`. There is no learning rate, no batch size.
    `training.epochs` bounds how long it tries: a trial ends when it is solved. No trial starts from
    another one's solution: what it ends with would depend on its company.

    Source: Lee, Sun & Saunders 2014, SIAM J. Optim. 24(3); Beck & Teboulle 2009, SIAM J. Imaging
    Sci. 2(1); O'Donoghue & Candès 2015, arXiv:1204.3982.
    """

    kind: Literal["solver"]
    """Always `solver`."""
    method: Literal["auto", "newton", "proximal_gradient"] = "auto"
    """`newton`: few iterations, each with a matrix of all pairs of weights. `proximal_gradient`:
    gradient steps with momentum and adaptive restart (FISTA), many cheap iterations. `auto` takes
    `newton` up to 2,000 weights a trial, and `proximal_gradient` beyond."""
    tolerance: Annotated[float, Field(ge=1e-13, le=0.1)] = 1e-10
    """Largest entry of the gradient mapping at which a trial is solved, relative."""
    iterations: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Iterations an epoch."""


OptimizerSpec = Annotated[SgdSpec | AdamSpec | AdamWSpec | SolverSpec, Field(discriminator="kind")]


class ConstantSchedule(Settings):
    """η stays as it is."""

    kind: Literal["constant"] = "constant"
    """Always `constant`."""


class StepSchedule(Settings):
    """η is multiplied by `factor` every `every` epochs."""

    kind: Literal["step"]
    """Always `step`."""
    every: Annotated[int, Field(ge=1)] = 10
    """Epochs between two drops."""
    factor: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """What η is multiplied by."""


class CosineSchedule(Settings):
    """η·(1 + cos(π·t/T))/2 over the epochs; with `restarts`, T₀ epochs first, then doubled, …

    Source: Loshchilov & Hutter 2017, SGDR, arXiv:1608.03983.
    """

    kind: Literal["cosine"]
    """Always `cosine`."""
    first_period: Annotated[int, Field(ge=1)] | None = None
    """T₀ in epochs, when the schedule restarts; none for one single period."""
    multiplier: Annotated[int, Field(ge=1, le=10)] = 2
    """Each period is this many times as long as the one before."""
    floor: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """The lowest η, as a share of the initial one."""

    def periods(self, epochs: int) -> list[tuple[int, int]]:
        """First epoch of each period, and of the next; the last may reach beyond ``epochs``."""
        periods = [(0, self.first_period or epochs)]
        while periods[-1][1] < epochs:
            start, end = periods[-1]
            periods.append((end, end + (end - start) * self.multiplier))
        return periods


class WarmupSchedule(Settings):
    """η rises linearly over the first epochs, then stays."""

    kind: Literal["warmup"]
    """Always `warmup`."""
    epochs: Annotated[int, Field(ge=1)] = 5
    """Epochs until the full η."""


class SquaredLoss(Settings):
    """Squared error: l = (s − y)², without a half, of the target as preprocessed."""

    kind: Literal["squared"]
    """Always `squared`."""


class PoissonLoss(Settings):
    """Poisson deviance with a log link: l = 2·(μ − y·s − y + y·log y), μ = eˢ the mean of y.

    For counts and rates, y ≥ 0; predictions are μ. With sample weights that are exposures, or an
    `offset` that is the logarithm of them, it is a regression of rates. The target is not
    standardized. scikit-learn's `PoissonRegressor(alpha)` halves the deviance and the square: an
    `l2` of strength λ = alpha has its optimum. glmnet's lambda: λ = 2·lambda of `l1`, λ = lambda
    of `l2`.

    Source: McCullagh & Nelder 1989, Generalized Linear Models.
    """

    kind: Literal["poisson"]
    """Always `poisson`."""


class HuberLoss(Settings):
    """Huber's loss: l = r² where |r| ≤ δ, else 2δ|r| − δ², r = s − y of the target as preprocessed.

    Rows far off count linearly, not by their square. scikit-learn's `HuberRegressor` estimates a
    scale along with the coefficients, so its optimum is another one.

    Source: Huber 1964, Ann. Math. Statist. 35(1).
    """

    kind: Literal["huber"]
    """Always `huber`."""
    delta: Annotated[float, Field(gt=0.0, le=1e6)] = 1.35
    """δ, in the unit of the target as preprocessed: deviations, unless `preprocessing.target` is
    `none`."""


class QuantileLoss(Settings):
    """Pinball loss: l = max(q·(y − s), (q − 1)·(y − s)); its optimum is the q-quantile of y.

    Not smooth, so that no `solver` takes it; adam and sgd come near. scikit-learn's
    `QuantileRegressor(alpha)` has the same loss: λ = alpha of `l1`, with
    `preprocessing.target: none`.

    Source: Koenker & Bassett 1978, Econometrica 46(1).
    """

    kind: Literal["quantile"]
    """Always `quantile`."""
    q: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """The share of rows that lie below the answer; 0.5 is the median."""


LossSpec = Annotated[
    SquaredLoss | PoissonLoss | HuberLoss | QuantileLoss, Field(discriminator="kind")
]


def quantile_of(loss: LossSpec | None) -> float:
    """The quantile that a pinball loss is measured at: that of the loss; 0.5 of others."""
    return loss.q if isinstance(loss, QuantileLoss) else 0.5


ScheduleSpec = Annotated[
    ConstantSchedule | StepSchedule | CosineSchedule | WarmupSchedule, Field(discriminator="kind")
]


class Evaluation(Settings):
    """What is measured while it trains, and how often; the network is in eval mode.

    All validation and test rows are always measured. The training rows are, up to `train_rows` of
    them; of more, a sample that does not change: of every class its share, of a regression evenly
    over the target's order. All trials on the same rows have the same sample, so that they differ
    by what they learned alone. The final `train_…` metrics are of these rows too, and a trial says
    how many they were (`train_rows` of its metrics). No weight depends on it, unless the training
    rows are watched by `early_stopping`.
    """

    every: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Epochs from one measurement to the next; the last epoch is always measured, and so are the
    rungs of a search by halving. Between them, only `objective` and `learning_rate` are known. The
    `patience` of `early_stopping` counts measurements, as Keras' and Lightning's do: 5 of them are
    50 epochs where every tenth is measured."""
    train_rows: Annotated[int, Field(ge=1, le=1_000_000_000)] = 10_000
    """Training rows that are measured at most."""


class Training(Settings):
    """The optimization of a trial."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Passes over the training rows."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    """Rows a step. Larger than the training set means full batches."""
    loss: LossSpec | None = None
    """Regression: what is minimized, as a mean over rows; the squared error unless given. All
    configurations of a job have a log link (`poisson`), or none has. Classes have cross-entropy."""
    optimizer: OptimizerSpec = AdamSpec()
    """The update rule."""
    schedule: ScheduleSpec = ConstantSchedule()
    """The learning rate over the epochs."""
    evaluate: Evaluation = Evaluation()
    """What is measured while it trains, and how often."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: matrix products of a training step with 8 significant bits; weights, sums over
    rows, metrics and predictions stay in float32. Faster where the processor has units for it
    (GPUs since Ampere, CPUs with AVX-512 BF16) and the network is wide; small ones lose by it."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seeds the initial weights, the batch order, masks and noise. Final weights follow from a
    trial's own settings and seed: the same alone, in any comparison or search, after a restart."""

    def is_measured(self, epoch: int) -> bool:
        """Whether an epoch, counted from 1, ends with a measurement."""
        return epoch % self.evaluate.every == 0 or epoch == self.epochs

    @property
    def measurements(self) -> int:
        """How often a trial is measured while it trains, if it does not stop."""
        return -(-self.epochs // self.evaluate.every)
