"""What a served model answers: predictions, and the checks that it passed."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from worker.schema import Record


class Prediction(Record):
    """What the model says of one row."""

    # A class or a number: the members of the other kind are not sent.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    label: Annotated[str | None, Field(examples=["0"])] = None
    """Classification: the most probable class; of two, the positive one from the model's threshold
    on."""
    probabilities: Annotated[dict[str, float] | None, Field(examples=[{"0": 0.97, "1": 0.03}])] = (
        None
    )
    """Classification: the probability of each class."""
    value: Annotated[int | float | None, Field(examples=[0])] = None
    """Regression: the predicted value, in the target's own unit. Classification whose classes are
    all whole numbers: the label as a number, `3` beside `"3"`; else none."""
    deviation: Annotated[dict[str, float | None] | float | None, Field(examples=[0.03])] = None
    """With `mc_samples` or `members`: the standard deviation over the passes with dropout, or over
    the networks of an ensemble, n − 1 in the denominator: of a regression's value, or of the
    probability of each class."""
    entropy: Annotated[float | None, Field(examples=[0.31])] = None
    """With `mc_samples` or `members`, classification: the entropy of the mean probabilities, in
    nats."""
    mutual_information: Annotated[float | None, Field(examples=[0.02])] = None
    """With `mc_samples` or `members`, classification: how much of the entropy is what the passes or
    networks disagree in: the entropy of the mean probabilities, less the mean of the entropies."""
    interval: Annotated[
        list[float] | None, Field(min_length=2, max_length=2, examples=[[0.1, 0.5]])
    ] = None
    """With `coverage`, regression: between which two values the truth lies in so many of all
    rows."""
    prediction_set: Annotated[list[str] | None, Field(examples=[["0", "1"]])] = None
    """With `coverage`, classification: the classes of which the true one is among in so many of all
    rows, in the order of the model's classes; never empty."""


class PredictionWarning(Record):
    """What the instances of a prediction hold that training did not prepare the model for."""

    code: Annotated[
        Literal[
            "unknown_category",
            "ambiguous_category",
            "far_outside",
            "missing_filled",
            "pixels_look_scaled",
        ],
        Field(examples=["unknown_category"]),
    ]
    """`unknown_category`: no training row had it, and it counts as none of those that had been
    there. `ambiguous_category`: a number that is several categories, written as none of them.
    `far_outside`: a number further outside the range of the training rows than that range is wide.
    `missing_filled`: a cell without a value. `pixels_look_scaled`: pixels from 0 to 1 for a model
    of pixels from 0 to 255."""
    column: Annotated[str, Field(examples=["job"])]
    """The column."""
    message: Annotated[
        str,
        Field(
            examples=[
                "Column 'job' has categories in 1 instance that no training row had; they count as "
                "none of the known ones: 'skiled' (nearest: 'skilled')."
            ]
        ),
    ]
    """What was met, and what was made of it."""
    count: Annotated[int, Field(examples=[1])]
    """In how many instances."""
    first: Annotated[int, Field(examples=[0])]
    """The number of the first of them, from 0."""
    example: Annotated[str | int | float | bool | None, Field(examples=["skiled"])]
    """What that instance has there; of an image, a pixel."""


class Check(Record):
    """One check of a certificate."""

    model_config = ConfigDict(title="CheckView")

    name: Annotated[str, Field(examples=["deterministic"])]
    """What was checked."""
    passed: Annotated[bool, Field(examples=[True])]
    """Whether it held."""
    detail: Annotated[str, Field(examples=["The same input gave the same bits twice."])]
    """What was found."""
