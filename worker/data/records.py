"""Records: from the instances of a prediction request to a table.

Decisions:

* An instance is an object by column name, or an array in the order of the columns. All columns
  are given; null means missing, and so does a text that stands for a missing cell in a CSV. The
  target and the columns that the model left out may stand in an object, and are not read.
* A numeric column takes numbers, and texts that are one in the column's notation. A date column
  takes texts.
* A categorical column takes texts, which must be a category as it is written, and booleans by their
  text. A number finds the category that is written like it, or else the only one that is the same
  number: 10.5 finds "10.50", and 1 neither of "01" and "001". What finds no category encodes to
  zeros, and is kept beside the table for whoever tells of it.
* A model of images or series takes each as nested arrays (`nested.py`), an image as a picture too
  (`pictures.py`), with or without an object around it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from math import isnan
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.category_index import AMBIGUOUS, UNKNOWN, CategoryIndex, Guesses
from worker.data.cell_texts import parse_dates, parse_numbers
from worker.data.nested import cell_error, check_bytes, nested_image, nested_images
from worker.data.pictures import MEMBER, is_picture, picture_pixels
from worker.data.table import LARGEST, MISSING_CODE, Column, Table, is_missing, suggest
from worker.data.text_column import WEAK
from worker.errors import DataError

_NUMBER_TYPES = {int, float, type(None)}


@dataclass(frozen=True)
class Unmatched:
    """A cell of a categorical column that is none of its categories."""

    position: int
    """Of its instance."""
    cell: str | float | bool
    ambiguous: bool
    """It is a number, and several categories are that number, each written otherwise."""


@dataclass(frozen=True, eq=False)
class Records:
    """The instances of a request as a table, and the cells that it cannot hold."""

    table: Table
    unmatched: Mapping[str, Sequence[Unmatched]] = field(default_factory=dict)
    """By column, in the order of the instances; missing to the table."""

    @classmethod
    def read(
        cls,
        columns: Sequence[Column],
        instances: Sequence[object],
        *,
        beside: Collection[str] = (),
        extra: bool = False,
        as_bytes: bool = False,
    ) -> Self:
        """Read instances, which are values as JSON has them.

        Args:
            columns: the columns that each instance has.
            instances: objects by column name, or arrays in the order of the columns.
            beside: further columns that an object may have; they are not read.
            extra: whether an object may have any others as well.
            as_bytes: whether pixels are numbers from 0 to 255.

        Raises:
            DataError: there are no instances; one lacks a column, has an unknown one, or holds a
                value of the wrong type. `param` names it, as in `instances.3.age`.
        """
        if not instances:
            raise DataError(
                "There are no instances; give at least one.", code="no_instances", param="instances"
            )
        layout = _Layout(
            tuple(column.name for column in columns),
            frozenset(beside),
            extra,
            frozenset(column.name for column in columns if column.optional),
        )
        if any(column.kind == "image" for column in columns):
            (column,) = columns
            pixels = _pixels(column, layout, instances, as_bytes=as_bytes)
            return cls(Table(columns=(column,), values={column.name: pixels}, rows=len(pixels)))
        rows = [layout.cells(position, instance) for position, instance in enumerate(instances)]
        cells = dict(zip(layout.names, zip(*rows, strict=True), strict=True))
        numbers = _numbers([column for column in columns if column.kind == "numeric"], cells)
        return cls.of_cells(columns, cells, numbers)

    @classmethod
    def of_cells(
        cls,
        columns: Sequence[Column],
        cells: Mapping[str, Sequence[object]],
        numbers: Mapping[str, NDArray[np.float64]],
    ) -> Self:
        """The records of columns that are no images.

        Args:
            columns: the columns, one at least.
            cells: of the columns that are not in `numbers`, their cells as JSON has them.
            numbers: of numeric columns, those that are read: NaN for a missing cell.

        Raises:
            DataError: a cell is of the wrong type.
        """
        values: dict[str, NDArray[Any]] = {}
        unmatched: dict[str, list[Unmatched]] = {}
        for column in columns:
            name = column.name
            if column.kind == "numeric":
                values[name] = numbers[name] if name in numbers else _mixed(column, cells[name])
            elif column.kind == "date":
                values[name] = _dates(column, cells[name])
            else:
                values[name], strange = _codes(column, cells[name])
                if strange:
                    unmatched[name] = strange
        rows = len(values[columns[0].name])
        return cls(Table(columns=tuple(columns), values=values, rows=rows), unmatched)


def _pixels(
    column: Column, layout: "_Layout", instances: Sequence[object], *, as_bytes: bool
) -> NDArray[np.float32]:
    """Images [N, *shape]: arrays, pictures, or an object around one of them."""
    cells = [
        layout.cells(position, instance)[0]
        if isinstance(instance, Mapping) and not (layout.is_lone and is_picture(instance))
        else instance
        for position, instance in enumerate(instances)
    ]
    pictures = [position for position, cell in enumerate(cells) if is_picture(cell)]
    if not pictures:
        pixels = nested_images(column, cells)
    else:
        pixels = np.empty((len(cells), *column.shape), dtype=np.float32)
        for position in pictures:
            cell = cells[position]
            pixels[position] = picture_pixels(column, position, cell, as_bytes=as_bytes)
        for position in set(range(len(cells))) - set(pictures):
            pixels[position] = nested_image(column, position, cells[position])
    if as_bytes:
        check_bytes(column, pixels)
    return pixels


@dataclass(frozen=True)
class _Layout:
    """Which cells an instance has."""

    names: tuple[str, ...]
    beside: frozenset[str]
    extra: bool
    optional: frozenset[str]
    """Columns that an instance may lack; an array those at its end."""

    @property
    def is_lone(self) -> bool:
        """Whether an object with the one member of a picture is no object around one."""
        return MEMBER not in self.names

    @cached_property
    def known(self) -> frozenset[str]:
        """All that an object may have."""
        return self.beside.union(self.names)

    def cells(self, position: int, instance: object) -> Sequence[object]:
        """The instance's cells in the order of the columns."""
        if isinstance(instance, Mapping):
            lacking = self.optional.difference(instance)
            try:
                cells = [None if name in lacking else instance[name] for name in self.names]
            except KeyError:
                raise self._misfit(position, instance) from None
            whole = len(instance) == len(cells) - len(lacking)
            fits = self.extra or whole or instance.keys() <= self.known
            if not fits:
                raise self._misfit(position, instance)
            return cells
        names = self.names
        if not isinstance(instance, list | tuple):
            raise DataError(
                f"Instance {position} is {_as_json(instance)}; give an object by column name, or "
                f"an array of {len(names)} values.",
                code="invalid_instance",
                param=f"instances.{position}",
            )
        if len(instance) == len(names) - len(self.optional):
            return [*instance, *[None] * len(self.optional)]
        if len(instance) != len(names):
            raise DataError(
                f"Instance {position} has {len(instance)} values; the model takes {len(names)}, in "
                f"this order: {', '.join(names[:20])}{', …' if len(names) > 20 else ''}.",
                code="invalid_instance",
                param=f"instances.{position}",
            )
        return instance

    def _misfit(self, position: int, instance: Mapping[str, object]) -> DataError:
        """What is wrong with an object: an unknown column, which may be one misspelt, or none."""
        param = f"instances.{position}"
        unknown = [name for name in instance if name not in self.known]
        if unknown and not self.extra:
            return DataError(
                f"Instance {position} has a column {unknown[0]!r}, which the model does not know. "
                f"{suggest(str(unknown[0]), self.names)} To send columns that are not read, say "
                '"extra": "ignore".',
                code="unknown_column",
                param=f"{param}.{unknown[0]}",
            )
        absent = next(
            name for name in self.names if name not in instance and name not in self.optional
        )
        meant = Guesses().nearest(sorted(unknown), absent)
        given = "" if meant is None else f"; it has {meant!r}"
        return DataError(
            f"Instance {position} lacks the column {absent!r}{given}. Add it, with null if its "
            "value is not known.",
            code="missing_column",
            param=f"{param}.{absent}",
        )


def _numbers(
    columns: Sequence[Column], cells: Mapping[str, tuple[Any, ...]]
) -> dict[str, NDArray[np.float64]]:
    """The numeric columns: all in one array if all their cells are numbers, else each by itself."""
    names = [column.name for column in columns]
    block = _floats([cells[name] for name in names])
    if block is not None:
        return dict(zip(names, block, strict=True))
    numbers = {}
    for column in columns:
        row = _floats([cells[column.name]])
        numbers[column.name] = _mixed(column, cells[column.name]) if row is None else row[0]
    return numbers


def _floats(rows: Sequence[tuple[Any, ...]]) -> NDArray[np.float64] | None:
    """Rows of cells as one array, if all of them are finite numbers or null."""
    if not set(map(type, chain.from_iterable(rows))) <= _NUMBER_TYPES:
        return None
    try:
        block = np.array(rows, dtype=np.float64)  # None becomes NaN
    except OverflowError:
        return None
    absent = sum(row.count(None) for row in rows)
    if (np.abs(block) > LARGEST).any() or np.isnan(block).sum() != absent:
        return None
    return block


def _mixed(column: Column, cells: Sequence[object]) -> NDArray[np.float64]:
    """A numeric column cell by cell: slower than at once, but knows which one is wrong."""
    read = _without_texts(column, cells, parse_numbers)
    return np.array([_number(column, position, cell) for position, cell in enumerate(read)])


def _without_texts(
    column: Column,
    cells: Sequence[object],
    parse: Callable[[Sequence[str], Column], NDArray[np.float64]],
) -> list[object]:
    """The cells with what their texts say in their places: a number, or null for a missing cell."""
    read = list(cells)
    texts = {n: cell for n, cell in enumerate(cells) if isinstance(cell, str)}
    numbers = parse(list(texts.values()), column).tolist()
    for (position, text), number in zip(texts.items(), numbers, strict=True):
        if is_missing(text) or text.strip().lower() in WEAK:
            read[position] = None
        elif not isnan(number):
            read[position] = number
    return read


def _number(column: Column, position: int, cell: object) -> float:
    if cell is None:
        return np.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise cell_error(
            f"Column {column.name!r} is numeric, but instance {position} has {_as_json(cell)}. "
            "Give a number, or null if it is not known.",
            "invalid_value",
            column,
            position,
        )
    if not abs(cell) <= LARGEST:
        raise cell_error(
            f"Column {column.name!r} of instance {position} must be a finite number of magnitude "
            f"up to {LARGEST:.3g}. Give null if it is not known.",
            "not_finite",
            column,
            position,
        )
    return float(cell)


def _dates(column: Column, cells: Sequence[object]) -> NDArray[np.float64]:
    """A date column; a number could be anything, and is refused."""
    read = _without_texts(column, cells, parse_dates)
    for position, (cell, days) in enumerate(zip(cells, read, strict=True)):
        if not (cell is None or isinstance(cell, str)) or isinstance(days, str):
            raise cell_error(
                f"Column {column.name!r} holds dates, but instance {position} has "
                f'{_as_json(cell)}. Give a date as a text, such as "2024-05-31", or null if it is '
                "not known.",
                "invalid_value",
                column,
                position,
            )
    return np.array(read, dtype=np.float64)  # None becomes NaN


def _codes(column: Column, cells: Sequence[object]) -> tuple[NDArray[np.int32], list[Unmatched]]:
    """The cells' codes, and those cells that have none although they are not missing."""
    index = CategoryIndex(column)
    unmatched: list[Unmatched] = []
    code_of = index.codes.get
    codes = [code_of(cell) if type(cell) is str else None for cell in cells]
    if None not in codes:
        return np.array(codes, dtype=np.int32), unmatched
    for position, cell in enumerate(cells):
        if codes[position] is not None:
            continue
        if not (cell is None or isinstance(cell, str | int | float)):
            raise cell_error(
                f"Column {column.name!r} is categorical, but instance {position} has "
                f"{_as_json(cell)}. Give a text, or null if it is not known.",
                "invalid_value",
                column,
                position,
            )
        code = index.find(cell)
        if cell is not None and code in (UNKNOWN, AMBIGUOUS):
            unmatched.append(Unmatched(position, cell, ambiguous=code == AMBIGUOUS))
        codes[position] = max(code, MISSING_CODE)
    return np.array(codes, dtype=np.int32), unmatched


def _as_json(value: object) -> str:
    """A value as JSON calls it."""
    match value:
        case None:
            return "null"
        case bool():
            return f"the boolean {str(value).lower()}"
        case str():
            return f"the text {value[:40]!r}"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "an array"
        case _:
            return "an object"
