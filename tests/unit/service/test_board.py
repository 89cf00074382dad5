import os
import tempfile
import time
from collections.abc import Iterator

import pytest
from prometheus_client.core import CounterMetricFamily, Metric

from service.telemetry import board
from service.telemetry.board import PLACE_BYTES, Board


@pytest.fixture
def descriptor() -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


def counted(process: int, value: float) -> list[Metric]:
    family = CounterMetricFamily("requests", "Requests.", labels=["process"])
    family.add_metric([str(process)], value)
    return [family]


def values(families: list[Metric]) -> dict[str, float]:
    (family,) = families
    assert (family.name, family.type) == ("requests", "counter")
    return {sample.labels["process"]: sample.value for sample in family.samples}


def test_each_sees_what_all_have_shown(descriptor: int) -> None:
    boards = [Board(number, 3, descriptor) for number in range(3)]
    boards[0].show(counted(0, 1))
    boards[2].show(counted(2, 5))
    boards[2].show(counted(2, 6))
    assert values(boards[0].with_others(counted(0, 4))) == {"0": 4, "2": 6}
    assert values(boards[1].with_others(counted(1, 0))) == {"0": 1, "1": 0, "2": 6}


def test_what_is_old_or_torn_is_left_out(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (Board(number, 2, descriptor) for number in range(2))
    other.show(counted(1, 5))
    assert values(one.with_others(counted(0, 1))) == {"0": 1, "1": 5}
    later = time.monotonic() + board.STALE_SECONDS + 1
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: later)
        assert values(one.with_others(counted(0, 1))) == {"0": 1}
    os.pwrite(descriptor, b"x", other._place(1) + 60)
    assert values(one.with_others(counted(0, 1))) == {"0": 1}


def test_what_does_not_fit_disturbs_nobody(descriptor: int) -> None:
    first, second, third = (Board(number, 3, descriptor) for number in range(3))
    third.show(counted(2, 7))
    second.show([Metric("requests", "x" * PLACE_BYTES, "counter")])
    assert values(first.with_others(counted(0, 1))) == {"0": 1, "2": 7}


def test_one_alone_shows_nothing() -> None:
    alone = Board()
    alone.show(counted(0, 1))
    assert not alone.is_shared
    assert values(alone.with_others(counted(0, 2))) == {"0": 2}
