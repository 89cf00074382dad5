"""The header `Prefer: wait=N`."""

import pytest

from service.waiting import wanted_seconds


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=10", 10),
        ("WAIT = 10", 10),
        ('wait="10"', 10),
        ("respond-async, wait=3", 3),
        ("wait=3; x=y", 3),
        ("wait=1000", 60),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=soon", 0),
        ("return=minimal", 0),
    ],
)
def test_what_cannot_be_understood_asks_for_nothing(prefer: str | None, seconds: int) -> None:
    assert wanted_seconds(prefer) == seconds
