"""Bodies about data sets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body


class ColumnView(Body):
    """One column, as its cells were read."""

    name: Annotated[str, Field(examples=["age"])]
    """Its name in the header."""
    kind: Annotated[Literal["numeric", "categorical", "image"], Field(examples=["numeric"])]
    """`numeric` when every cell that is not missing is a finite number, `image` when a cell is an
    image or a series, `categorical` otherwise."""
    categories: Annotated[list[str], Field(examples=[["skilled", "unskilled"]])]
    """The first values of a categorical column, sorted, at most 20, long ones cut; with
    `include=categories` all of them. Empty for another kind."""
    categories_count: Annotated[int, Field(examples=[2])]
    """How many values there are."""
    missing: Annotated[int, Field(examples=[0])]
    """How many cells are missing."""
    shape: Annotated[list[int], Field(default_factory=list, examples=[[]])]
    """Shape of a cell of an image column: channels, height, width, or channels, length."""


class DatasetView(Body):
    """An uploaded data set."""

    id: Annotated[str, Field(examples=["ds_5f0c9a3e1b7d2468ace0f135"])]
    """Its identifier: the `dataset` of a job."""
    object: Annotated[Literal["dataset"], Field(examples=["dataset"])] = "dataset"
    """Always `dataset`."""
    name: Annotated[str, Field(examples=["credit"])]
    """A label for people."""
    target: Annotated[str | None, Field(examples=["class"])]
    """The column that jobs predict unless they name another."""
    rows: Annotated[int, Field(examples=[1000])]
    """Number of rows."""
    columns: list[ColumnView]
    """The columns, in the file's order; in a list of data sets the first 20."""
    columns_count: Annotated[int, Field(examples=[21])]
    """How many columns there are."""
    bytes: Annotated[int, Field(examples=[73918])]
    """Size of the table as it is stored (Parquet)."""
    sha256: Annotated[
        str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    """SHA-256 of the table as it is stored."""
    created_at: Annotated[datetime, Field(examples=["2026-11-23T07:30:00Z"])]
    """When it was uploaded."""
