"""Bodies of the events of a job's stream that are no lines of its log."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body
from service.schemas.jobs import JobState, JobSummary
from worker.results import Advice


class JobNow(JobSummary):
    """The event `job`: how far a job is and what it waits for, as a list has it."""


class LiveAdvice(Body):
    """The event `advice`: all that is worth knowing about a job by now."""

    object: Annotated[Literal["list"], Field(examples=["list"])] = "list"
    """Always `list`."""
    data: list[Advice]
    """As `advice` of the job."""


class LiveValues(Body):
    """One metric of a line, a value an epoch."""

    mean: Annotated[list[float | None], Field(examples=[[0.31, 0.18]])]
    """Over the trials that have one; null where none has."""
    sd: Annotated[list[float | None], Field(examples=[[0.02, 0.01]])]
    """Standard deviation (n − 1) over the trials; null for fewer than two."""


class LiveSeries(Body):
    """One line of the curves."""

    name: Annotated[str, Field(examples=["dropout"])]
    """The configuration's name; of many configurations `best`, the smallest value of all in each
    epoch, and `mean`, over all."""
    configuration: Annotated[int | None, Field(examples=[3])]
    """Its number within the job; none of `best` and `mean`."""
    trials: Annotated[int, Field(examples=[5])]
    """Its repeats and folds in this fleet; of `best` and `mean` all trials."""
    metrics: Annotated[dict[str, LiveValues], Field(examples=[{}])]
    """`objective`, `train_loss`, `validation_loss`, and what the job chooses by."""


class LiveMetrics(Body):
    """The event `metrics`: some epochs of one fleet. An epoch that is told again is the same."""

    fleet: Annotated[int, Field(examples=[0])]
    """The fleet's number within the job."""
    epochs: Annotated[list[int], Field(examples=[[1, 2]])]
    """Which epochs, from 1; of many at once, some."""
    series: list[LiveSeries]
    """A line for each configuration; of many, `best` and `mean`."""


class JobEnd(Body):
    """The event `end`, the last one: the job's state will not change again."""

    state: Annotated[JobState, Field(examples=["succeeded"])]
    """How it ended."""
    verdict: Annotated[str | None, Field(examples=["dropout beats none by 0.024 ± 0.007."])]
    """What regularization bought, in one sentence; null of a job without rows held back."""
