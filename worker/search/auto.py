"""Auto-regularization: the cocktail's joint space over all techniques that fit a job."""

from collections.abc import Iterator, Mapping

from worker.data import Outline
from worker.errors import SpecError
from worker.metrics import is_per_epoch
from worker.regularization import ClassWeights, SnapshotEnsemble, fitting
from worker.schema import Json
from worker.search.refit import can_be_ensemble
from worker.search.space import EMBEDDING, SIGMA
from worker.spec import (
    ConstantSchedule,
    CosineSchedule,
    Dimension,
    EnsembleSpec,
    JobSpec,
    MlpSpec,
    Range,
    ResidualMlpSpec,
    SearchSpec,
    SolverSpec,
    Switch,
    Values,
)

RUNGS = 9
"""Halving first decides after this part of the epochs."""
ALTERNATIVES = (
    ("mixup", "cutmix", "cutout", "adversarial"),
    ("stochastic_depth", "shake_drop", "shake_shake"),
)
"""Techniques of which a configuration has at most one."""

COCKTAIL: Mapping[str, Mapping[str, Dimension]] = {
    "batch_norm": {},
    "swa": {},
    "snapshot_ensemble": {},
    "lookahead": {
        "step_size": Range(low=0.5, high=0.8),
        "steps": Range(low=5, high=10, integer=True),
    },
    "weight_decay": {"strength": Range(low=1e-5, high=0.1, log=True)},
    "dropout": {
        "p": Range(low=0.0, high=0.8),
        "shape": Values(
            values=("funnel", "long_funnel", "diamond", "hexagon", "brick", "triangle", "stairs")
        ),
    },
    "spatial_dropout": {"p": Range(low=0.0, high=0.8)},
    "stochastic_depth": {"p": Range(low=0.0, high=0.8)},
    "shake_drop": {"p": Range(low=0.0, high=0.8)},
    "shake_shake": {},
    "label_smoothing": {"smoothing": Range(low=0.0, high=0.3)},
    "mixup": {"alpha": Range(low=0.0, high=1.0)},
    "cutmix": {"p": Range(low=0.0, high=1.0)},
    "cutout": {"p": Range(low=0.0, high=1.0), "share": Range(low=0.0, high=1.0)},
    "adversarial": {"epsilon": Range(low=1e-3, high=0.3, log=True)},
    "flip": {},
    "random_crop": {},
    "rotation": {"degrees": Range(low=1.0, high=30.0)},
}
"""The techniques that are on or off, and what is searched of each where it is on.

Those of Kadra et al. 2021 with their ranges (ShakeDrop's open at 1), but that FGSM has an ε, which
is fixed there; label smoothing, stochastic depth and those for images are added.
"""


EMBEDDINGS = Values(
    values=(
        None,
        {"kind": "periodic", "frequencies": 16, "dimension": 16},
        {"kind": "piecewise_linear", "bins": 16, "dimension": 16},
    )
)
"""How numbers enter, where the job does not say: of each, smaller than by default, so that a search
stays affordable."""
SIGMAS = Range(low=0.01, high=1.0, log=True)
MOST_EMBEDDED = 64
"""Numbers beyond which embeddings would make most of a network, and are not searched."""


def resolve_auto(spec: JobSpec, outline: Outline) -> JobSpec:
    """The job with `auto` written out: a search like any other.

    Each technique that fits the data and the network is on or off, then its settings vary. Unless
    the job says otherwise, classifications are judged by balanced accuracy, and wherever that is
    the objective, all classes weigh the same in training; the method is halving, which first
    decides after a ninth of the epochs. The winner is refitted on training and validation rows and
    stands beside the same network with all techniques off, and gradient boosting.

    Source: Kadra, Lindauer, Hutter & Grabocka 2021, Well-tuned simple nets excel on tabular
    datasets, NeurIPS, arXiv:2106.11189.

    Raises:
        SpecError: no technique fits.
    """
    if spec.search is None or spec.search.space != "auto":
        return spec
    search, classes = spec.search, outline.target.classes
    asked = spec.refit if search.refit is None else search.refit
    changes: Json = {
        "space": joint_space(spec, outline),
        "refit": True if asked is None else asked,
        "references": True,
    }
    changes["exclusive"] = tuple(
        paths
        for group in ALTERNATIVES
        if len(paths := tuple(p for n in group if (p := _path(n)) in changes["space"])) > 1
    )
    if (
        "ensemble" not in search.model_fields_set
        and spec.ensemble is None
        and can_be_ensemble(spec)
    ):
        changes["ensemble"] = EnsembleSpec()
    if search.objective is None:
        metric = "validation_balanced_accuracy" if classes else "validation_loss"
        changes["objective"] = metric
    # What is measured of final weights alone says nothing at a rung.
    if "method" not in search.model_fields_set and is_per_epoch(search.objective or ""):
        changes["method"] = "halving"
    if "min_epochs" not in search.model_fields_set:
        changes["min_epochs"] = max(1, spec.training.epochs // RUNGS)
    written: SearchSpec = search.model_copy(update=changes)
    regularization = spec.regularization
    alike = bool(classes) and str(written.objective).endswith("balanced_accuracy")
    if alike and regularization.class_weights is None:
        regularization = regularization.model_copy(update={"class_weights": ClassWeights()})
    return spec.model_copy(update={"search": written, "regularization": regularization})


def joint_space(spec: JobSpec, outline: Outline) -> dict[str, Dimension]:
    """The joint space of a job: each technique that fits on or off, then its settings; and how
    numbers enter the network.

    Raises:
        SpecError: none fits.
    """
    names = list(_fitting(spec, outline))
    space: dict[str, Dimension] = {_path(name): Switch(optional=True) for name in names}
    for name in names:
        for field, dimension in COCKTAIL[name].items():
            if field != "shape" or spec.network.dropout_sites > 1:
                space[f"{_path(name)}.{field}"] = dimension
    if _may_embed(spec, outline):
        space |= {EMBEDDING: EMBEDDINGS, SIGMA: SIGMAS}
    return space


def _may_embed(spec: JobSpec, outline: Outline) -> bool:
    """Whether numbers could be embedded, are few enough, and the job does not say how."""
    network, numbers = spec.network, outline.number_inputs
    return (
        isinstance(network, MlpSpec | ResidualMlpSpec)
        and network.embedding is None
        and len(outline.shape) == 1
        and numbers is not None
        and 0 < len(numbers) <= MOST_EMBEDDED
    )


def _path(name: str) -> str:
    return f"regularization.{name}"


def _fitting(spec: JobSpec, outline: Outline) -> Iterator[str]:
    if isinstance(spec.training.optimizer, SolverSpec):
        raise SpecError(
            "A solver takes penalties alone, which auto does not choose among; choose the "
            "optimizer adam, or search a path.",
            param="training.optimizer.kind",
        )
    names = fitting(COCKTAIL, spec.network, outline.facts)
    return (name for name in names if name != "snapshot_ensemble" or _has_cycles(spec))


def _has_cycles(spec: JobSpec) -> bool:
    """Whether the learning rate may restart often enough for the members of an ensemble."""
    wanted = SnapshotEnsemble().members
    epochs, schedule = spec.training.epochs, spec.training.schedule
    if isinstance(schedule, ConstantSchedule):
        return epochs >= wanted
    if not isinstance(schedule, CosineSchedule) or schedule.first_period is None:
        return False
    return len(schedule.periods(epochs)) >= wanted and epochs >= wanted
