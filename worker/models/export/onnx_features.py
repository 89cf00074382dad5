"""The preprocessing as ONNX operators: from one input a column to the network's features.

As ``worker/data/encoder.py`` does it: in float64, rounded once to float32.
"""

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from worker.data import FIRST_DAY, LARGEST, LAST_DAY, SOFT_LIMIT, Column, Encoder
from worker.models.export.graph import ML, Graph

ROWS = "rows"
"""The name of the batch dimension."""


def features(graph: Graph, encoder: Encoder) -> str:
    """Add the inputs and what encodes them; the name of the features ``[N, …]``, float32."""
    (first, *_) = columns = encoder.columns
    if encoder.pixels is not None:
        return _pixels(graph, first, encoder)
    blocks: list[str] = []
    number = category = 0
    for categorical, group in groupby(columns, key=lambda column: column.kind == "categorical"):
        members = list(group)
        if categorical:
            for column in members:
                size = len(column.categories)
                hit, miss = (of[category : category + size] for of in encoder.indicators)
                block = _one_hot(graph, column, hit, miss)
                blocks += [block] if size else []
                category += size
        else:
            raw = [_numbers(graph, column) for column in members]
            width = sum(encoder.widths[columns.index(column)] for column in members)
            blocks.append(_scaled(graph, raw, encoder, slice(number, number + width)))
            number += width
    return _joined(graph, blocks)


def _joined(graph: Graph, blocks: list[str]) -> str:
    return blocks[0] if len(blocks) == 1 else graph.add("Concat", *blocks, axis=1)


def _numbers(graph: Graph, column: Column) -> str:
    """A column of numbers or dates → float64 ``[N, parts]``, NaN where a cell is missing."""
    if column.kind == "date":
        days = graph.input(
            column.name,
            np.float64,
            [ROWS, 1],
            "A date as days since 1970-01-01, with the time of day as their fraction; NaN if "
            "missing.",
        )
        return _date_parts(graph, days, time_of_day=column.time_of_day)
    return graph.input(column.name, np.float64, [ROWS, 1], "A number; NaN if missing.")


def _scaled(graph: Graph, raw: list[str], encoder: Encoder, part: slice) -> str:
    """Impute, centre and scale; 0 where the training rows told nothing apart."""
    fill, center, scale = encoder.fill[part], encoder.center[part], encoder.scale[part]
    values = _joined(graph, raw)
    filled = graph.add("Where", graph.add("IsNaN", values), graph.constant(fill), values)
    scaled = graph.add(
        "Div", graph.add("Sub", filled, graph.constant(center)), graph.constant(scale)
    )
    acts = graph.constant(encoder.acts[part] != 0)
    scaled = graph.add("Where", acts, scaled, graph.constant(np.float64(0.0)))
    return _rounded(graph, scaled, smoothly=encoder.clips_smoothly)


def _rounded(graph: Graph, values: str, *, smoothly: bool = False) -> str:
    """Clipped to what float32 holds, and perhaps smoothly to within ±3, as float32."""
    limits = (graph.constant(np.float64(-LARGEST)), graph.constant(np.float64(LARGEST)))
    clipped = graph.add("Clip", values, *limits)
    if smoothly:
        share = graph.add("Div", clipped, graph.constant(np.float64(SOFT_LIMIT)))
        square = graph.add("Mul", share, share)
        root = graph.add("Sqrt", graph.add("Add", graph.constant(np.float64(1.0)), square))
        clipped = graph.add("Div", clipped, root)
    return graph.add("Cast", clipped, to=_FLOAT32)


def _one_hot(
    graph: Graph, column: Column, hit: NDArray[np.float32], miss: NDArray[np.float32]
) -> str:
    """A column of texts → float32 ``[N, categories]``; as an unknown one what training did not see.

    Of each category ``hit`` where it is the row's, ``miss`` elsewhere.
    """
    name = graph.input(
        column.name,
        str,
        [ROWS, 1],
        "A text: one of the categories as they are written. An empty text is a missing cell; "
        "others are unknown.",
    )
    size = len(column.categories)
    if not size:
        return ""
    # A code of `size` lies outside the axis, and so encodes to zeros.
    codes = [code if hit[code] else size for code in range(size)]
    code = graph.add(
        "LabelEncoder",
        name,
        domain=ML,
        keys_strings=list(column.categories),
        values_int64s=codes,
        default_int64=size,
    )
    indicators = graph.add(
        "OneHot",
        graph.add("Reshape", code, graph.constant([-1], np.int64)),
        graph.constant(np.int64(size)),
        graph.constant([0.0, 1.0], np.float32),
        axis=-1,
    )
    if not miss.any():
        return indicators
    apart = graph.add("Mul", indicators, graph.constant(hit - miss, np.float32))
    return graph.add("Add", apart, graph.constant(miss, np.float32))


def _pixels(graph: Graph, column: Column, encoder: Encoder) -> str:
    pixels = encoder.pixels
    if pixels is None:
        raise ValueError("an image column has constants of its own")
    low, high = pixels.range.tolist()
    shape = (len(pixels.center), *[1] * (len(column.shape) - 1))
    image = graph.input(
        column.name,
        np.float32,
        [ROWS, *column.shape],
        f"Pixels in the unit of the training data, from {low:g} to {high:g}, channels first.",
    )
    wide = graph.add("Cast", image, to=_FLOAT64)
    share = graph.add(
        "Div",
        graph.add("Sub", wide, graph.constant(np.float64(low))),
        graph.constant(np.float64(high - low)),
    )
    scaled = graph.add(
        "Div",
        graph.add("Sub", share, graph.constant(pixels.center.reshape(shape))),
        graph.constant(pixels.scale.reshape(shape)),
    )
    return _rounded(graph, scaled)


class _WholeNumbers:
    """Arithmetic of whole numbers, and the days of the Gregorian calendar by it.

    Days are counted from 0000-03-01, so that the leap day ends a year; an era is 400 years.
    Source: H. Hinnant, chrono-Compatible Low-Level Date Algorithms, 2021.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def constant(self, value: int) -> str:
        return self._graph.constant(np.int64(value))

    def sum_of(self, first: str, *others: str) -> str:
        for other in others:
            first = self._graph.add("Add", first, other)
        return first

    def less(self, first: str, *others: str) -> str:
        for other in others:
            first = self._graph.add("Sub", first, other)
        return first

    def over(self, value: str, divisor: int) -> str:
        return self._graph.add("Div", value, self.constant(divisor))

    def times(self, value: str, factor: int) -> str:
        return self._graph.add("Mul", value, self.constant(factor))

    def before_year(self, year_of_era: str) -> str:
        """Days of an era before a year of it."""
        days = self.sum_of(self.times(year_of_era, 365), self.over(year_of_era, 4))
        return self.less(days, self.over(year_of_era, 100))

    def year_of_era(self, day_of_era: str) -> str:
        """The year of an era that a day of it lies in."""
        leap_days = (self.over(day_of_era, 1_460), self.over(day_of_era, 146_096))
        days = self.sum_of(day_of_era, self.over(day_of_era, 36_524))
        return self.over(self.less(days, *leap_days), 365)

    def is_leap(self, year: str) -> str:
        by_4, by_100, by_400 = (_divisible(self._graph, year, n) for n in (4, 100, 400))
        never = self._graph.add("Not", by_100)
        return self._graph.add("And", by_4, self._graph.add("Or", never, by_400))


def _date_parts(graph: Graph, dates: str, *, time_of_day: bool) -> str:
    """As ``calendar.date_parts``, in whole numbers."""
    whole = _WholeNumbers(graph)
    sum_of, less, over, times = whole.sum_of, whole.less, whole.over, whole.times

    def circle(share: str) -> list[str]:
        turn = graph.add("Mul", share, graph.constant(np.float64(2 * np.pi)))
        return [graph.add("Sin", turn), graph.add("Cos", turn)]

    def real(value: float) -> str:
        return graph.constant(np.float64(value))

    missing = graph.add("IsNaN", dates)
    days = graph.add("Where", missing, real(0.0), dates)
    days = graph.add("Clip", days, real(FIRST_DAY), real(LAST_DAY))
    start = graph.add("Floor", days)
    day = sum_of(graph.add("Cast", start, to=_INT64), whole.constant(719_468))
    era = over(day, 146_097)
    of_era = less(day, times(era, 146_097))
    year_of_era = whole.year_of_era(of_era)
    of_year = less(of_era, whole.before_year(year_of_era))
    from_march = over(sum_of(times(of_year, 5), whole.constant(2)), 153)
    early = graph.add("GreaterOrEqual", from_march, whole.constant(10))  # January and February
    month = sum_of(from_march, graph.add("Where", early, whole.constant(-9), whole.constant(3)))
    year = sum_of(
        year_of_era,
        times(era, 400),
        graph.add("Where", early, whole.constant(1), whole.constant(0)),
    )
    # The first of January belongs to the year before, counted from March.
    before = less(year, whole.constant(1))
    era = over(before, 400)
    new_year = sum_of(
        times(era, 146_097), whole.before_year(less(before, times(era, 400))), whole.constant(306)
    )
    length = graph.add("Where", whole.is_leap(year), real(366.0), real(365.0))
    place = graph.add("Div", graph.add("Cast", less(day, new_year), to=_FLOAT64), length)
    # 0000-03-01 was a Wednesday.
    weekday = graph.add("Mod", sum_of(day, whole.constant(2)), whole.constant(7))
    parts = [
        *(graph.add("Cast", part, to=_FLOAT64) for part in (year, month, weekday)),
        *circle(place),
        days,
    ]
    if time_of_day:
        parts += circle(graph.add("Sub", days, start))
    return graph.add("Where", missing, real(np.nan), graph.add("Concat", *parts, axis=1))


def _divisible(graph: Graph, value: str, divisor: int) -> str:
    rest = graph.add("Mod", value, graph.constant(np.int64(divisor)))
    return graph.add("Equal", rest, graph.constant(np.int64(0)))


_FLOAT32, _INT64, _FLOAT64 = 1, 7, 11
"""`TensorProto.FLOAT`, `.INT64` and `.DOUBLE`."""
