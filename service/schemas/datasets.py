"""Bodies about data sets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common import Body
from worker.data import ColumnReport, ListedColumn
from worker.results import Advice, Understood
from worker.spec import Reading


class DatasetBase(Body):
    """What a data set is called, and how large it is."""

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


class DatasetSummary(DatasetBase):
    """A data set in a list, in a few kB whatever it holds."""

    columns: list[ListedColumn]
    """The first 5 columns, in short; `GET /v1/datasets/{id}` has all of them."""
    findings_count: Annotated[int, Field(examples=[0])]
    """How many findings about its data there are."""


class SourceView(Body):
    """The file as it was sent. It is kept, so that a job can have it read in another way."""

    filename: Annotated[str | None, Field(examples=["credit.csv"])]
    """The name that the sender gave it."""
    bytes: Annotated[int, Field(examples=[104857])]
    """Its size."""
    sha256: Annotated[
        str, Field(examples=["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"])
    ]
    """Its SHA-256."""


class DatasetView(DatasetBase):
    """An uploaded data set: a report of what was read, and how it was understood."""

    columns: list[ColumnReport]
    """The columns that are not ignored, in the file's order."""
    reading: Reading
    """What was said at upload of how the file is to be read, null where it was worked out; a job
    may say otherwise, in fields of the same names."""
    understood: Understood | None
    """As what a job would predict the target, unless it says otherwise; null without a target, and
    where it cannot be learned, for the reason that is the first of the findings."""
    findings: list[Advice]
    """What is worth knowing about the data, about the target first, at most 500."""
    source: SourceView | None
    """The file as it was sent; null for uploads to releases that did not keep it."""
