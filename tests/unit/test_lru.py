"""The bounded cache that threads share."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.lru import Lru


def test_a_value_is_made_once_even_by_many_threads() -> None:
    cache: Lru[str, object] = Lru(2)
    made: list[object] = []
    started = threading.Barrier(8)

    def make() -> object:
        made.append(object())
        return made[-1]

    def get(_: int) -> object:
        started.wait()
        return cache.get("key", make)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(get, range(8))) == set(made)
    assert len(made) == 1


def test_what_was_used_last_stays() -> None:
    cache: Lru[str, int] = Lru(2)
    for key in ("a", "b", "a", "c"):
        cache.get(key, lambda: 1)
    assert len(cache) == 2
    assert cache.get("a", lambda: 2) == 1
    assert cache.get("b", lambda: 2) == 2


def test_the_weight_bounds_what_is_kept_and_the_newest_stays_whatever_it_weighs() -> None:
    cache: Lru[str, int] = Lru(10, weight=lambda value: value)
    cache.get("a", lambda: 6)
    cache.get("b", lambda: 6)
    assert len(cache) == 1
    assert cache.get("c", lambda: 100) == 100
    assert len(cache) == 1
    assert cache.get("c", lambda: 1) == 100


def test_a_value_that_cannot_be_made_is_tried_again() -> None:
    cache: Lru[str, int] = Lru(2)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get("a", fail)
    assert cache.get("a", lambda: 3) == 3


def test_a_forgotten_value_is_made_again() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.get("a", lambda: 1)
    cache.forget("a")
    assert cache.get("a", lambda: 2) == 2
