"""What a user posts: one trial, or a comparison of several."""

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from worker.regularization import Regularization
from worker.schema import Settings
from worker.spec.dataset import DatasetRef
from worker.spec.network import MlpSpec, NetworkSpec
from worker.spec.preprocessing import Preprocessing
from worker.spec.reading import Reading
from worker.spec.search import EnsembleSpec, SearchSpec
from worker.spec.split import Split
from worker.spec.training import LossSpec, PoissonLoss, Training
from worker.text import Printable

Name = Annotated[Printable, Field(min_length=1, max_length=120)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", examples=["credit"])]
TaskKind = Literal["binary", "multiclass", "regression"]
ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
Task = Literal["auto", "binary", "multiclass", "regression"]
Device = Literal["cpu", "gpu"]


def _searched_regularization(value: Any) -> Any:
    """`auto` begins with no technique; `JobSpec.searches_for_regularization` notes the search."""
    return {} if value == "auto" else value


class Variant(Settings):
    """One member of a comparison: what it replaces in the job, section by section."""

    name: Name
    """Its label in tables and charts."""
    regularization: Regularization | None = None
    """Replaces the job's regularization."""
    network: NetworkSpec | None = None
    """Replaces the job's network."""
    training: Training | None = None
    """Replaces the job's training."""


class Subject(Settings):
    """What a job is about: its data, and what is to be predicted from them."""

    name: Annotated[Printable, Field(max_length=120)] = ""
    """A label for people."""
    dataset: DatasetRef
    """The id of an uploaded data set, or a built-in one."""
    target: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The column to predict; the data set's own target unless given."""
    task: Task = "auto"
    """`auto`: regression for a numeric target with many values, classification otherwise."""
    target_missing: Literal["refuse", "drop"] = "refuse"
    """What becomes of rows whose target is a text among numbers, such as "see note" in a column of
    prices: `refuse` the job, naming the first of them, or `drop` these rows. Rows whose target is
    missing are left out in any case, and counted; where they are more than half of all, `refuse`
    refuses the job as well, and `drop` goes on with the others."""
    sample_weight: ColumnName | None = None
    """A column of numbers from 0 up that say what each row counts: every loss is Σ w·l / Σ w, in
    training and where it is measured, and so are rmse and R²; what counts right answers counts
    rows. The weights are divided by their mean over the training rows, so that the loss, and with
    it the meaning of λ and of the learning rate, keeps its size. It is no feature."""
    offset: ColumnName | None = None
    """A column of numbers that are added to each row's score as they are, such as the logarithm of
    an exposure beside `training.loss: poisson`; of a standardized target in the target's unit. It
    is no feature. Rows to be predicted may lack it: then it is 0."""
    positive: Annotated[str, Field(max_length=65_536, examples=["bad"])] | None = None
    """Binary classification: the class that recall, precision, the threshold and the like are
    about; the second of the classes unless given."""
    threshold: Literal["f1", "balanced"] | Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Binary classification: the probability of the positive class from which it is answered; 0.5
    unless given. `f1`, `balanced`: that with the best F1, or the best balanced accuracy, on the
    validation rows. It is served with the model."""


class JobSpec(Reading, Subject):
    """A training job. Only `dataset` is required; `target` too unless the data set named one."""

    split: Split = Split()
    """Which rows train, validate and test."""
    preprocessing: Preprocessing = Preprocessing()
    """How columns become numbers."""
    network: NetworkSpec = MlpSpec()
    """What is trained."""
    regularization: Annotated[
        Regularization,
        BeforeValidator(
            _searched_regularization, json_schema_input_type=Regularization | Literal["auto"]
        ),
    ] = Regularization()
    """Which techniques hold it back, keyed by name. `auto`: a search over all techniques that fit
    the data and the network, the same as `search.space: auto`, within `search.trials` or
    `search.budget_seconds`."""
    training: Training = Training()
    """How it is trained."""
    compare: (
        Annotated[
            tuple[Variant, ...], Field(fail_fast=True, strict=False, min_length=1, max_length=1024)
        ]
        | None
    ) = None
    """Configurations to train side by side, as one tensor program where structure allows."""
    search: SearchSpec | None = None
    """Configurations to choose from a space; excludes `compare`."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    """Train each configuration this often, with seeds seed, seed + 1, …"""
    refit: bool | None = None
    """After a cross-validation, train the winner once more, on the rows of all folds, and register
    that: true unless given. Without folds: on training and validation rows together, and false
    unless given. What stops early is trained for as many epochs as its trials kept on average. A
    search has a `refit` of its own, which means the same."""
    ensemble: EnsembleSpec | None = None
    """Serve several networks of the job together, such as those of all folds:
    `{"method": "folds"}`. Off unless given. A search has an `ensemble` of its own, which means the
    same."""
    attribute: bool = False
    """Train each configuration also without each one of its techniques, to see what each bought.
    Only complete configurations compete for the model."""
    model: ModelName | None = None
    """Register the winner as a version of this model."""
    device: Device | None = None
    """Where it trains: `gpu`, by workers with a GPU alone, or `cpu`, by those without; by whichever
    is free unless given. It waits for as long as there is no such worker, and says so."""
    priority: Annotated[int, Field(ge=-10, le=10)] = 0
    """Jobs with a higher number are begun first, and of equal ones the oldest. What trains already
    is not interrupted."""
    webhook: (
        Annotated[str, Field(max_length=64, examples=["whk_5f0c9a3e1b7d2468ace0f135"])] | None
    ) = None
    """A webhook that is told how this job ends, by its id, whatever else it is told of."""

    @model_validator(mode="before")
    @classmethod
    def searches_for_regularization(cls, data: Any) -> Any:
        """Turn `regularization: auto` into a search of the space `auto`."""
        if not isinstance(data, dict) or data.get("regularization") != "auto":
            return data
        search = data.get("search") or {}
        if not isinstance(search, dict):
            return data
        if search.get("space", "auto") != "auto":
            raise ValueError(
                'regularization "auto" brings its own search.space; leave one of them out'
            )
        return {**data, "search": {**search, "space": "auto"}}

    @field_validator("compare")
    @classmethod
    def names_are_unique(cls, compare: tuple[Variant, ...] | None) -> tuple[Variant, ...] | None:
        """Refuse a comparison whose members could not be told apart."""
        # Tables and pictures show no spaces around a name.
        counts = Counter(variant.name.strip() for variant in compare or ())
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            shown = ", ".join(twice[:5]) + (", …" if len(twice) > 5 else "")
            raise ValueError(f"give each configuration its own name; twice: {shown}")
        return compare

    @model_validator(mode="after")
    def searches_or_compares(self) -> Self:
        """Refuse a search beside a comparison, whose configurations are named already."""
        if self.search is not None and self.compare is not None:
            raise ValueError("compare and search exclude each other: leave one of them out")
        if self.search is not None and self.attribute:
            raise ValueError(
                "attribute and search exclude each other: search first, then post the winner with "
                "attribute"
            )
        return self

    @model_validator(mode="after")
    def says_once_whether_to_refit(self) -> Self:
        """Refuse a job and its search that contradict each other."""
        asked = None if self.search is None else self.search.refit
        if asked is not None and self.refit not in (None, asked):
            raise ValueError(
                f"refit is {str(self.refit).lower()} and search.refit is {str(asked).lower()}; "
                "leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def minimizes_one_loss(self) -> Self:
        """Refuse losses that cannot be compared, and a standardized target of counts."""
        losses = {training.loss for training in self._trainings()}
        if len(losses) > 1:
            raise ValueError(
                "compare: configurations are ranked by their loss, so all of them must have the "
                "same training.loss; post a job for each loss"
            )
        if not isinstance(self.loss, PoissonLoss) or self.preprocessing.target == "none":
            return self
        if "target" in self.preprocessing.model_fields_set:
            raise ValueError(
                "preprocessing.target: counts of a poisson loss are not standardized; leave it "
                "out, or set it to none"
            )
        # The default of this loss, written where all others find it.
        object.__setattr__(
            self, "preprocessing", self.preprocessing.model_copy(update={"target": "none"})
        )
        return self

    def _trainings(self) -> list[Training]:
        variants = [variant.training for variant in self.compare or (Variant(name="job"),)]
        return [self.training if training is None else training for training in variants]

    @property
    def loss(self) -> LossSpec | None:
        """What all its configurations minimize; none for the task's own."""
        return self._trainings()[0].loss

    @property
    def reading(self) -> Reading:
        """How its data are to be read: a column that divides the rows is read, though it is to be
        ignored as a feature.
        """
        said = super().reading
        kept = {
            name: kind
            for name, kind in said.columns.items()
            if kind != "ignore" or name not in self.split.columns
        }
        if len(kept) == len(said.columns):
            return said
        return said.model_copy(update={"columns": kept})

    def says_once_what_answers_together(self) -> Self:
        """Refuse a job and its search that contradict each other."""
        asked = None if self.search is None else self.search.ensemble
        if asked is not None and self.ensemble not in (None, asked):
            raise ValueError(
                "ensemble and search.ensemble say different things; leave one of them out"
            )
        return self

    @property
    def ensembles(self) -> EnsembleSpec | None:
        """Which of its networks answer together; only after defaults were written out."""
        return self.ensemble if self.search is None else self.search.ensemble

    @property
    def refits(self) -> bool:
        """Whether its winner is trained once more; only after defaults were written out."""
        return bool(self.refit if self.search is None else self.search.refit)

    @property
    def refit_repeats(self) -> int:
        """How often its winner is trained once more."""
        asked = None if self.search is None else self.search.refit_repeats
        return self.repeats if asked is None else asked
