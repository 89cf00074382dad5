"""Which rows train, which validate, which test."""

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from worker.schema import Settings
from worker.spec.reading import ColumnName
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


class FoldColumn(Settings):
    """A column whose values are the folds. It is no feature."""

    column: Annotated[ColumnName, Field(examples=["fold"])]
    """The column: each of its values is a fold, in the order of numbers, or of the alphabet."""
    test: Annotated[str, Field(min_length=1, max_length=200, examples=["test"])] | None = None
    """The value whose rows are kept aside for the final measurement; none by default."""
    count: Annotated[int, Field(ge=2, le=50)] | None = None
    """How many folds there are, which is read from the column unless given."""


FoldCount = Annotated[int, Field(ge=2, le=50)]
FoldRows = Annotated[
    tuple[Annotated[RowNumbers, Field(min_length=1)], ...],
    Field(fail_fast=True, strict=False, min_length=2, max_length=50),
]


def _kind_of_folds(value: Any) -> str:
    """By it the one form is read that is meant: each that is tried costs as much as the list."""
    if isinstance(value, list | tuple):
        return "rows"
    return "column" if isinstance(value, dict | FoldColumn) else "count"


Folds = Annotated[
    Annotated[FoldCount, Tag("count")]
    | Annotated[FoldColumn, Tag("column")]
    | Annotated[FoldRows, Tag("rows")],
    Discriminator(_kind_of_folds),
]


class Split(Settings):
    """A division of the rows: by shares, into folds for cross-validation, or row by row.

    Classification splits by shares and folds are stratified: each part keeps the class shares of
    the whole.
    """

    validation: Share = 0.2
    """Share of the rows kept for validation; 0 for none. Unused with `folds` and named `rows`."""
    test: Share = 0.0
    """Share of the rows kept aside for the final measurement; 0 for none. Unused with `rows`."""
    folds: Folds | None = None
    """Cross-validation: each fold validates once, on a model trained on the others. Their number;
    or a column of the table that says which row is in which fold, `{"column": "fold"}`; or a list
    of row numbers for each fold, of which rows that are named nowhere are not used."""
    rows: PartRows | Literal["given"] | None = None
    """The rows of each part by their numbers, or `given`: the parts that the data set was uploaded
    in (an NPZ of x_train, y_train, x_test, y_test, or a zip with folders train and test); if it has
    no validation part, `validation` is a share of its training rows."""
    groups: Annotated[ColumnName, Field(examples=["patient"])] | None = None
    """A column whose equal values stay together: no group has rows in two parts, or in two folds.
    It is no feature. Shares and class shares are kept as far as whole groups allow."""
    order: Annotated[ColumnName, Field(examples=["date"])] | None = None
    """A column of dates or numbers in whose order the rows are divided: the first train, later ones
    validate, the last test. With `folds` each validates on the rows that follow those it trains on,
    which are all before. Rows of equal values stay together. `seed` and `stratify` are unused."""
    repeats: Annotated[int, Field(ge=1, le=50)] = 1
    """How often the folds are dealt anew, with seeds seed, seed + 1, …; fold f of repeat r is fold
    r · folds + f of the trials. Only with a number of `folds`; the job's own `repeats` train the
    same folds with other initial weights."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the shuffle."""
    stratify: bool = True
    """Keep the class shares in every part (classification only)."""

    @field_validator("folds")
    @classmethod
    def folds_are_named_once(
        cls, folds: int | FoldColumn | tuple[tuple[int, ...], ...] | None
    ) -> int | FoldColumn | tuple[tuple[int, ...], ...] | None:
        """Refuse a row that stands in two folds, or twice in one."""
        if not isinstance(folds, tuple):
            return folds
        named: dict[int, int] = {}
        for number, rows in enumerate(folds):
            before = len(named)
            for row in rows:
                if named.setdefault(row, number) != number:
                    raise ValueError(
                        f"fold {number} shares row {row} with fold {named[row]}; give each row to "
                        "one fold"
                    )
            if len(named) - before < len(rows):
                (row, times), *_ = Counter(rows).most_common(1)
                raise ValueError(f"fold {number} names row {row} {times} times; name each row once")
        return folds

    @model_validator(mode="after")
    def leaves_rows_to_train(self) -> Self:
        """Refuse shares that leave nothing to train on, and ways to divide that exclude others."""
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must be below 1, so that rows are left to train on")
        ways = {
            "folds": self.folds is not None,
            "groups": self.groups is not None,
            "order": self.order is not None,
        }
        for way in (name for name, there in ways.items() if there and self.rows is not None):
            raise ValueError(f"{way} and rows exclude each other: leave one of them out")
        if self.groups is not None and self.order is not None:
            raise ValueError(
                "groups and order exclude each other: a group may reach over the whole time; leave "
                "one of them out"
            )
        if isinstance(self.folds, FoldColumn | tuple):
            self._check_explicit()
        if self.repeats > 1 and not isinstance(self.folds, int):
            raise ValueError(
                "repeats deals folds anew, and needs their number: set folds to 5, say, or use the "
                "job's own repeats"
            )
        if self.repeats > 1 and self.order is not None:
            raise ValueError(
                "repeats and order exclude each other: time has one order; leave one of them out"
            )
        return self

    def _check_explicit(self) -> None:
        """What folds that are named row by row, or by a column, exclude."""
        for other in ("groups", "order"):
            if getattr(self, other) is not None:
                raise ValueError(
                    f"{other} and folds that are named exclude each other: leave {other} out, or "
                    "set folds to a number"
                )
        if self.test > 0:
            raise ValueError(
                "test and folds that are named exclude each other, for test rows drawn at random "
                "could tear apart what the folds keep together: name them in the column, as in "
                '{"column": "fold", "test": "test"}, or set test to 0'
            )

    @property
    def fold_count(self) -> int:
        """How many folds there are, all repeats together; 0 without any. Of a column whose values
        have not been looked at yet, the fewest that there may be.
        """
        if self.folds is None:
            return 0
        if isinstance(self.folds, int):
            return self.folds * self.repeats
        if isinstance(self.folds, FoldColumn):
            return self.folds.count or 2
        return len(self.folds)

    @property
    def columns(self) -> dict[str, str]:
        """The columns that divide the rows: name → the field that names it."""
        named = {self.groups: "groups", self.order: "order"}
        if isinstance(self.folds, FoldColumn):
            named[self.folds.column] = "folds"
        return {name: field for name, field in named.items() if name is not None}
