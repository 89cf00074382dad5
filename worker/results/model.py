"""What a served model answers: predictions, and the checks that it passed."""

from typing import Annotated

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


class Check(Record):
    """One check of a certificate."""

    model_config = ConfigDict(title="CheckView")

    name: Annotated[str, Field(examples=["deterministic"])]
    """What was checked."""
    passed: Annotated[bool, Field(examples=[True])]
    """Whether it held."""
    detail: Annotated[str, Field(examples=["The same input gave the same bits twice."])]
    """What was found."""
