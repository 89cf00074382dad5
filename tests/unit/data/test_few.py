"""Few texts are read by Python, many by Arrow: both must read the same."""

import numpy as np
import pyarrow as pa
import pytest

from worker.data.dates import DateOrder, find_dates
from worker.data.notation import Notation, Written
from worker.data.patterns import FEW, among
from worker.data.table import MISSING
from worker.data.tidy import tidied

NUMBERS = [
    *("1", "-1.5", "+.5", "1.", "1e5", "(12)", "-(3)", "1 234", "1\u00a0234,5", "\u22121,234.50"),
    *(
        "€ 12",
        "12 €",
        "€ 5 €",
        "USD 7",
        "12.5%",
        "7 ％",
        "1'234",
        "1’234.5",
        "1_000",
        "zł 3",
        "7 kč",
    ),
    *(
        "- 4",
        "$-4",
        "-$-4",
        "(",
        ")",
        "1,2,3",
        "12,34,567",
        "1.2.3",
        "x1",
        "1x",
        "",
        "٣",
        "５０．５",
        "1.234,5-",
        "4.-",
        "3,–",
        "5-",
        "-5.0-",
        "CHF 7.—",
        "9/-",
        '="1.5"',
        "'8",
        "'8'",
        "8'",
        "1" * 250,
    ),
]
DATES = [
    *("2024-05-31", "2024/5/1", "2024.02.30", "0000-01-01", "9999-12-31", "2024-05", "31.5.24"),
    *("2024-05-31T14:30", "2024-05-31 2:30 pm", "2024-05-31 14:30:15.25Z", "2024-05-31 13:00 pm"),
    *("2024-05-31T24:00+05:30", "2024-05-31 10:61", "2024-05-31 10:00 -0830", "31 May 2024"),
    *("31/05/2024", "05/31/2024", "01/02/2024", "5-6-69", "Sept. 3rd, 68", "mon, 3 jul 2024"),
    *("14:30", "2:30 AM", "25:00", "20240531", "may", "2024-5-31x", "May 2024", "12.12.12"),
]


def many(texts: list[str]) -> pa.Array:
    return pa.array(texts * (FEW // len(texts) + 1))


@pytest.mark.parametrize("unit", ["", "€", "%", "USD"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("thousands", [None, " ", "'", ",", "."])
def test_numbers(unit: str, decimal: str, thousands: str | None) -> None:
    notation = Notation.model_construct(decimal=decimal, thousands=thousands, unit=unit)
    few, all_ = Written(pa.array(NUMBERS)), Written(many(NUMBERS))
    here = len(few.places)
    assert few.bodies.equals(all_.bodies.slice(0, here))
    assert few.units.equals(all_.units.slice(0, here))
    assert few.marks == all_.marks
    assert (few.leading_zeros() == all_.leading_zeros()[: len(NUMBERS)]).all()
    if decimal != thousands:
        parsed = all_.parse(notation)[: len(NUMBERS)]
        np.testing.assert_array_equal(few.parse(notation), parsed)


@pytest.mark.parametrize("order", [None, "day_first", "month_first"])
@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("pieces", [1, 3, 28])
def test_dates(order: DateOrder | None, compact: bool, pieces: int) -> None:
    size = -(-len(DATES) // pieces)
    for start in range(0, len(DATES), size):
        texts = DATES[start : start + size]
        few = find_dates(pa.array(texts), order=order, compact=compact)
        all_ = find_dates(many(texts), order=order, compact=compact)
        assert (few is None) == (all_ is None), texts
        if few is not None and all_ is not None:
            assert (few.order, few.times) == (all_.order, all_.times)
            np.testing.assert_array_equal(few.mask, all_.mask[: len(texts)])
            np.testing.assert_array_equal(few.days, all_.days[: len(texts)])


def test_words() -> None:
    texts = ["NA", " x", "n/a", "", "y\u00a0", "?", "z"]
    for lower in (False, True):
        few, all_ = (among(t, MISSING, lower=lower) for t in (pa.array(texts), many(texts)))
        assert few.tolist() == all_[: len(texts)].tolist()
    assert tidied(pa.array(texts)).equals(tidied(many(texts)).slice(0, len(texts)))
