"""The coefficients of a linear network: in the units of its inputs, and in those of the columns.

The network answers scores s = xᵀW + b. An input follows from its column as x = slope · r + shift
(`worker.data.input_lines`), and a regression's value from the score as y = unit · s + center. So in
the columns' own units, computed in float64 from the weights as stored:

    coefficient[i, o] = unit · W[i, o] · slope[i]
    intercept[o]      = center + unit · (b[o] + Σᵢ W[i, o] · shift[i])

Of classes the scores are logits, which have no other unit; with the loss `poisson` they are the
logarithm of the expected count, with center 0 and unit 1. An ensemble of linear regressions is the
linear regression of its members' mean; a mean of probabilities is none.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worker.data import input_lines
from worker.errors import ConflictError
from worker.models.file import ModelFile
from worker.spec import PoissonLoss, TaskKind

Link = Literal["identity", "log", "logit", "softmax"]
LINK_OF: dict[TaskKind, Link] = {
    "regression": "identity",
    "binary": "logit",
    "multiclass": "softmax",
}
WITH_COEFFICIENTS = 'networks {"kind": "linear"} on a table'


@dataclass(frozen=True, eq=False)
class Coefficients:
    """What a linear network of F inputs and O outputs has learnt."""

    task: TaskKind
    link: Link
    """What the score is: the value itself, its logarithm, a logit, scores of a softmax."""
    features: tuple[str, ...]
    """[F]: the inputs, by the encoder's names: a column, "column=category", "column.month"."""
    columns: tuple[str, ...]
    """[F]: the column that each comes from."""
    acts: NDArray[np.bool_]
    """[F]: whether the training rows told it apart; if not, it changes no answer."""
    outputs: tuple[str | None, ...]
    """[O]: the class whose logit it is; none of a regression's value."""
    original: NDArray[np.float64]
    """[F, O], in units of the target for one unit of the column."""
    standardized: NDArray[np.float64]
    """[F, O], of inputs and target as the network sees them."""
    intercept: NDArray[np.float64]
    """[O], in units of the target."""
    standardized_intercept: NDArray[np.float64]
    """[O]."""

    @classmethod
    def of(cls, file: ModelFile, position: int) -> "Coefficients":
        """Those of the trial at a position of a model file.

        Raises:
            ConflictError: it has hidden layers, sees images, or averages probabilities.
            ModelError: the file has no such trial.
        """
        if file.manifest.networks:
            raise _none(
                f"it is an ensemble of {len(file.manifest.networks)} networks, each with "
                "preprocessing and coefficients of its own"
            )
        trial, target = file.trial(position), file.target()
        split = trial.fold or 0
        if trial.network.kind != "linear":
            raise _none(
                f"its network is of the kind {trial.network.kind!r}, whose hidden layers leave "
                "none to tell"
            )
        encoder = file.encoder(split)
        if encoder.pixels is not None:
            raise _none(f"its inputs are the pixels of column {encoder.columns[0].name!r}")
        weight, bias = _weights(file, position)
        link: Link = "log" if isinstance(trial.training.loss, PoissonLoss) else LINK_OF[target.task]
        if len(weight) > 1 and target.task != "regression":
            raise _none(
                f"it answers the mean of the probabilities of {len(weight)} networks, which is not "
                "linear in any unit"
            )
        if encoder.clips_smoothly:
            raise _none("its numbers are bent by robust_smooth_clip, so that none has one slope")
        slope, shift = input_lines(encoder)
        acts = slope != 0
        w, b = weight.mean(0) * acts[:, None], bias.mean(0)
        unit = float(file.tensors["target.scale"][split])
        center = float(file.tensors["target.center"][split])
        return cls(
            task=target.task,
            link=link,
            features=encoder.feature_names,
            columns=tuple(
                column.name
                for column, width in zip(encoder.features, encoder.widths, strict=False)
                for _ in range(width)
            ),
            acts=acts,
            outputs={"regression": (None,), "binary": target.classes[1:]}.get(
                target.task, target.classes
            ),
            original=unit * w * slope[:, None],
            standardized=w,
            intercept=center + unit * (b + shift @ w),
            standardized_intercept=b,
        )


def _weights(file: ModelFile, position: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix [M, F, O] and bias [M, O] of each member, one of a single network."""
    state = file.network(position).state_dict()
    (matrix,) = (tensor for tensor in state.values() if tensor.ndim == 3)
    vectors = [tensor for tensor in state.values() if tensor.ndim == 2]
    weight = matrix.double().numpy()
    bias = vectors[0].double().numpy() if vectors else np.zeros((len(weight), weight.shape[2]))
    return weight, bias


def _none(reason: str) -> ConflictError:
    return ConflictError(
        f"This version has no coefficients: {reason}. Coefficients are those of "
        f"{WITH_COEFFICIENTS}; train one, or ask for the weights by the version's /file.",
        code="no_coefficients",
        param="version",
    )
