"""How a trial or a job ended: its metrics, or its error; what is worth knowing; the winner."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from worker.errors import ParsimonyError
from worker.results.sparsity import NetworkReport
from worker.schema import Json, Record, Stored
from worker.statistics import mean, standard_deviation

Metrics = dict[str, float | None]
"""Final metrics by name; none where one is not finite."""

FINAL = {"train_loss": 0.052, "validation_loss": 0.061, "validation_accuracy": 0.975}


NOT_MEASURABLE = "not_measurable"
"""The code of the finding that a trial's objective is no finite number."""


class JobError(Record):
    """Why a job or a trial failed. Further members depend on `code`."""

    model_config = ConfigDict(extra="allow", title="ErrorBody")

    code: Annotated[str, Field(examples=["diverged"])]
    """The reason, for programs."""
    message: Annotated[str, Field(examples=["The loss became infinite in epoch 3."])]
    """The reason, in words, with its remedy."""
    param: Annotated[str | None, Field(examples=["training.optimizer.learning_rate"])] = None
    """Dotted path of the field that it is about, if it is about one."""

    @classmethod
    def of(cls, error: ParsimonyError) -> "JobError":
        """The error as it is stored."""
        return cls.model_validate(error.body())

    def detail(self, name: str) -> Any:
        """A further member; none where there is none of that name."""
        return (self.model_extra or {}).get(name)


class Advice(Stored):
    """A finding about data or a job: nothing that forbids it, but something to know."""

    model_config = ConfigDict(title="AdviceView")

    severity: Annotated[Literal["info", "warning"], Field(examples=["warning"])]
    """How much it matters."""
    code: Annotated[str, Field(examples=["constant_predictor"])]
    """The finding, for programs."""
    field: Annotated[str | None, Field(examples=["regularization"])]
    """Dotted path of the field that it is about."""
    column: Annotated[str | None, Field(examples=[None])] = None
    """The column of the data that it is about, if it is about one."""
    message: Annotated[str, Field(examples=["L1 predicts one class only."])]
    """The finding, in words."""
    evidence: Annotated[Json, Field(examples=[{"train_balanced_accuracy": 0.5}])]
    """The figures that it rests on."""
    fix: Annotated[str, Field(examples=["Lower the strengths; try a tenth."])]
    """What to do about it."""
    change: Annotated[Json | None, Field(examples=[None])] = None
    """The fix as members of a job's body, ready to be merged into it, where it is one: such as
    `{"columns": {"zip": "categorical"}}`, which an upload takes as well."""
    member_change: Annotated[Json | None, Field(examples=[None])] = None
    """The fix as members of an entry of `compare`, the one that `field` names as `compare.N`, ready
    to be merged into that entry, where it is one: a list cannot be merged into."""

    def within(self, spec: Json, configuration: int, overrides: Json | None = None) -> "Advice":
        """A trial's finding as one of its job: its field where the job says it.

        A trial names a field as its own. The job says it in `compare.<number>` where that brings
        the section itself, and in `search.space.<path>` where the search varies it; there no change
        can be merged into the job.

        Args:
            spec: the job's.
            configuration: the number of the trial's configuration, the complete one.
            overrides: what a search changed in it, by path.
        """
        if self.field is None:
            return self
        members, field = spec.get("compare") or [], self.field
        steps = field.split(".")
        paths = [".".join(steps[:end]) for end in range(1, len(steps) + 1)]
        searched = next((path for path in paths if path in (overrides or {})), None)
        if searched is not None:
            return self.model_copy(update={"field": f"search.space.{searched}", "change": None})
        if configuration < len(members) and members[configuration].get(steps[0]) is not None:
            field = f"compare.{configuration}.{field}"
            return self.model_copy(
                update={"field": field, "change": None, "member_change": self.change}
            )
        return self


class Single(Stored):
    """One trial by itself: what its own rows say of it, beside what its configuration came to."""

    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier."""
    metrics: Annotated[Metrics, Field(examples=[FINAL])]
    """Its own final metrics."""


class Estimated(Stored):
    """What is expected of a configuration: its final metrics, means over its trials."""

    metrics: Annotated[Metrics, Field(examples=[FINAL])]
    """The configuration's final metrics, each the mean over its repeats and folds; of a winner that
    was trained once more, those of the test rows are the refit's."""
    deviations: Annotated[Metrics | None, Field(examples=[{"validation_loss": 0.004}])] = None
    """The standard deviation of each of them between these trials, n − 1 in the denominator; null
    for a single trial."""
    n: Annotated[int, Field(examples=[5])] = 1
    """How many repeats and folds the means are over."""
    single: Single | None = None
    """The trial whose weights are served, by itself; null in what earlier releases stored, whose
    metrics are that trial's."""


class Best(Estimated):
    """The winner: the configuration with the best mean objective, and the trial that is served."""

    trial: Annotated[str, Field(examples=["trl_5f0c9a3e1b7d2468ace0f135"])]
    """The trial that is served: that which was trained once more on more rows, if there is one;
    else the configuration's first, in the order of repeats and folds."""
    name: Annotated[str | None, Field(examples=["dropout"])] = None
    """Its configuration's name."""
    value: Annotated[float | None, Field(examples=[0.061])] = None
    """The mean of the objective over the configuration's repeats and folds."""
    refitted: Annotated[bool, Field(examples=[False])] = False
    """Whether the trial was trained once more, on the rows that had validated as well."""
    served: Annotated[Literal["trial", "ensemble"], Field(examples=["trial"])] = "trial"
    """`trial`: that trial. `ensemble`: several networks of the job, or one that is better on the
    rows that choose, in its place; the report's appraisal names them, and its metrics are theirs.
    """
    chosen_by: Annotated[Literal["best", "one_standard_error"], Field(examples=["best"])] = "best"
    """`best`: its mean is the best of all. `one_standard_error`: of all within one standard error
    of the best, it is the simplest."""


class Winner(Best):
    """The winner as the job's row and its log keep it."""

    configuration: int
    """The number of its configuration."""
    objective: str
    """The metric that ``value`` is of."""

    def refit(self, refits: Sequence[Single], *, name: str | None = None) -> "Winner":
        """The same, served as the first of its refits; their means on the test rows are its own."""
        tested = estimated([refit.metrics for refit in refits])
        deviations = dict(self.deviations or {})
        metrics = dict(self.metrics)
        for measure in {*metrics, *tested.metrics}:
            if measure.startswith("test_"):
                metrics.pop(measure, None)
                deviations.pop(measure, None)
        for measure, value in tested.metrics.items():
            if measure.startswith("test_"):
                metrics[measure] = value
                if tested.deviations is not None:
                    deviations[measure] = tested.deviations[measure]
        return self.model_copy(
            update={
                "trial": refits[0].trial,
                "name": self.name if name is None else name,
                "metrics": metrics,
                "deviations": deviations or None,
                "single": refits[0],
                "refitted": True,
            }
        )


def estimated(trials: Sequence[Metrics]) -> Estimated:
    """Means and standard deviations of some trials' metrics; of one trial, its metrics as they are.

    A metric that is not finite in some of the trials is averaged over the others, and null where it
    is finite in none.

    Raises:
        ValueError: there is no trial.
    """
    if not trials:
        raise ValueError("an estimate needs at least one trial")
    if len(trials) == 1:
        return Estimated(metrics=trials[0])
    known = {
        name: [value for of_trial in trials if (value := of_trial.get(name)) is not None]
        for name in dict.fromkeys(name for of_trial in trials for name in of_trial)
    }
    return Estimated(
        metrics={name: mean(values) if values else None for name, values in known.items()},
        deviations={name: standard_deviation(values) for name, values in known.items()},
        n=len(trials),
    )


class TrialResult(Record):
    """How one trial ended. Metrics are of the weights that it keeps; none when it failed."""

    state: Literal["succeeded", "failed", "cancelled"]
    metrics: Metrics = Field(default_factory=dict)
    epochs: int = 0
    best_epoch: int | None = None
    error: JobError | None = None
    advice: list[Advice] = Field(default_factory=list)
    report: NetworkReport | None = None
    """What is left of its network; none when it failed."""
    halved_at: int | None = None
    """The epoch after which halving let it go; none of a trial that was not."""
