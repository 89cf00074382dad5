"""How a file's cells are to be read: said at upload, or by a job; the rest is worked out."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from worker.schema import Settings

ColumnKind = Literal["numeric", "categorical", "date", "ignore"]
"""What a column can be declared to be."""
ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
Marker = Annotated[str, Field(max_length=200)]


class Reading(Settings):
    """What is known of a file beforehand, and what overrules what was worked out from its cells.

    Said with the upload, it is kept with the data set; a job that says something else reads the
    uploaded file again. A job's `columns` are added to those of the data set.
    """

    columns: Annotated[
        dict[ColumnName, ColumnKind],
        Field(
            default_factory=dict,
            max_length=10_000,
            examples=[{"zip": "categorical", "customer_id": "ignore"}],
        ),
    ]
    """Kinds of columns, by name: `numeric`, `categorical` (cells stay texts, as written), `date`
    (becomes numbers: year, month, weekday, day of the year, days since the first training row),
    `ignore`. Columns that are not named are read by their cells."""
    decimal: Literal[".", ","] | None = None
    """The decimal mark of numbers; worked out from the cells unless given."""
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    """The mark between groups of three digits; worked out from the cells unless given."""
    missing: (
        Annotated[
            tuple[Marker, ...],
            Field(fail_fast=True, strict=False, max_length=100, examples=[["NA", "-", "unknown"]]),
        ]
        | None
    ) = None
    """The texts that stand for a missing cell, exactly as written; an empty cell always does.
    Unless given: NA, N/A, NaN, null, ? and #N/A in any case, and in columns of numbers or dates
    also None, nil, -, -- and a lone point. In Parquet nulls alone."""
    separator: Annotated[str, Field(min_length=1, max_length=1, examples=[";"])] | None = None
    """The character between cells of a CSV; worked out from its lines unless given."""
    header: bool | None = None
    """Whether the first line of a CSV holds the columns' names; if not, they are column1, column2,
    and so on. Worked out from the lines unless given."""
    encoding: Annotated[str, Field(min_length=1, max_length=40, examples=["latin-1"])] | None = None
    """The encoding of a CSV's text, such as utf-8, latin-1, cp1252 or utf-16; UTF-8 unless given
    or marked by a byte-order mark."""

    @model_validator(mode="after")
    def marks_differ(self) -> Self:
        """Refuse one mark for two things."""
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same mark; give each its own")
        return self

    @property
    def reading(self) -> "Reading":
        """These fields alone, without what a job says beside them."""
        return Reading.model_construct(
            **{name: getattr(self, name) for name in Reading.model_fields}
        )

    def over(self, base: "Reading") -> "Reading":
        """This reading, and what it leaves open as ``base`` has it; kinds of columns are joined."""
        merged = {
            name: getattr(base, name) if getattr(self, name) is None else getattr(self, name)
            for name in Reading.model_fields
        }
        return Reading.model_construct(**merged | {"columns": {**base.columns, **self.columns}})

    @property
    def says_nothing(self) -> bool:
        """Whether all is left to be worked out."""
        return not self.columns and all(
            getattr(self, name) is None for name in Reading.model_fields if name != "columns"
        )
