"""Which rows train, which validate, which test."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from worker.schema import Settings
from worker.spec.shown import counted

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
RowNumber = Annotated[int, Field(ge=0, lt=2**63)]
RowNumbers = Annotated[
    tuple[RowNumber, ...], Field(fail_fast=True, strict=False, max_length=2_000_000)
]


class PartRows(Settings):
    """The rows of each part, by their numbers in the uploaded table, counted from 0.

    Rows that are named nowhere are not used; rows without a target are left out. Answers show the
    first 100 of a part, and how many there are.
    """

    model_config = ConfigDict(json_schema_extra=counted("train", "validation", "test"))

    train: Annotated[RowNumbers, Field(min_length=1)]
    """The rows to train on."""
    validation: RowNumbers = ()
    """The rows to validate on; none by default."""
    test: RowNumbers = ()
    """The rows for the final measurement; none by default."""

    @field_validator("train", "validation", "test")
    @classmethod
    def are_named_once(cls, rows: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        """Refuse a row that a part names twice, or that an earlier part has."""
        named = set(rows)
        if len(named) < len(rows):
            (row, times), *_ = Counter(rows).most_common(1)
            raise ValueError(f"names row {row} {times} times; name each row once")
        for part, earlier in info.data.items():
            shared = named.intersection(earlier)
            if shared:
                raise ValueError(
                    f"shares {len(shared)} of its rows with {part}, such as row {min(shared)}; "
                    "give each row to one part"
                )
        return rows


class Split(Settings):
    """A division of the rows: by shares, into folds for cross-validation, or row by row.

    Classification splits by shares and folds are stratified: each part keeps the class shares of
    the whole.
    """

    validation: Share = 0.2
    """Share of the rows kept for validation; 0 for none. Unused with `folds` and named `rows`."""
    test: Share = 0.0
    """Share of the rows kept aside for the final measurement; 0 for none. Unused with `rows`."""
    folds: Annotated[int, Field(ge=2, le=50)] | None = None
    """Cross-validation: each fold validates once, on a model trained on the others."""
    rows: PartRows | Literal["given"] | None = None
    """The rows of each part by their numbers, or `given`: the parts that the data set was uploaded
    in (an NPZ of x_train, y_train, x_test, y_test, or a zip with folders train and test); if it has
    no validation part, `validation` is a share of its training rows."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the shuffle."""
    stratify: bool = True
    """Keep the class shares in every part (classification only)."""

    @model_validator(mode="after")
    def leaves_rows_to_train(self) -> Self:
        """Refuse shares that leave nothing to train on, and folds beside rows."""
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must be below 1, so that rows are left to train on")
        if self.folds is not None and self.rows is not None:
            raise ValueError("folds and rows exclude each other: leave one of them out")
        return self
