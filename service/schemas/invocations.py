"""Bodies of `POST /invocations`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from service.schemas.common import Body
from worker.schema import Json
from worker.spec import MOST_SAMPLES


class DataframeSplit(BaseModel):
    """A frame of pandas, as `DataFrame.to_dict("split")` has it."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, extra="allow", json_schema_extra={"required": ["data"]}
    )

    columns: Annotated[list[str], Field(examples=[["x1", "x2"]])]
    """Names of the columns. Without them the cells stand in the order of the model's."""
    data: Annotated[list[list[Any]], Field(min_length=1, examples=[[[0.5, -0.3]]])]
    """One array a row."""


class InvocationParams(BaseModel):
    """What else is asked for."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={"examples": [{"return": "probabilities"}]},
    )

    returned: Annotated[
        Literal["predictions", "probabilities", "all"],
        Field(alias="return", examples=["probabilities"]),
    ] = "predictions"
    """`predictions`: the class, or the value. `probabilities`: of each class, in the order of the
    model's. `all`: the objects that `POST /v1/models/{name}/predict` answers; that is also what
    comes back unless this is given, where one of the other members asks for more."""
    mc_samples: Annotated[int, Field(ge=0, le=MOST_SAMPLES, examples=[50])] = 0
    """Passes with dropout, as at `POST /v1/models/{name}/predict`."""
    seed: Annotated[int, Field(ge=0, lt=2**63, examples=[1])] = 0
    """Of their masks."""
    calibrated: Annotated[StrictBool, Field(examples=[True])] = False
    """Whether probabilities are calibrated."""
    coverage: Annotated[float, Field(gt=0, lt=1, examples=[0.9])] | None = None
    """The coverage of intervals or sets."""
    members: Annotated[StrictBool, Field(examples=[True])] = False
    """Whether it is told how far the networks of an ensemble differ."""


class InvocationRequest(BaseModel):
    """Rows, in exactly one of four forms. Columns that the model does not know are not read."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "required": [],
            "examples": [
                {"dataframe_split": {"columns": ["x1", "x2"], "data": [[0.5, -0.3]]}},
                {"dataframe_records": [{"x1": 0.5, "x2": -0.3}]},
                {"instances": [[0.5, -0.3]], "params": {"return": "probabilities"}},
                {"inputs": {"x1": [0.5], "x2": [-0.3]}},
            ],
        },
    )

    dataframe_split: DataframeSplit
    """Columns and data, apart."""
    dataframe_records: Annotated[
        list[Json], Field(min_length=1, examples=[[{"x1": 0.5, "x2": -0.3}]])
    ]
    """Objects by column name."""
    instances: Annotated[list[Any], Field(min_length=1, examples=[[[0.5, -0.3]]])]
    """Objects by column name, or arrays in the order of the model's columns."""
    inputs: Annotated[
        dict[str, list[Any]] | list[Any], Field(examples=[{"x1": [0.5], "x2": [-0.3]}])
    ]
    """A list for each column, or a list of rows."""
    params: InvocationParams
    """What else is asked for."""


class InvocationResponse(Body):
    """Predictions, in the order of the rows."""

    predictions: Annotated[list[Any], Field(examples=[[1]])]
    """One a row: the class, as a number where all classes are whole numbers, or the value; or what
    `params.return` asks for."""
