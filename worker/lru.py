"""A bounded cache that threads share."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache, cached

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """Keeps the values that were used last, up to a total weight.

    Of several threads that miss the same key, one makes the value and the others wait for it. A
    value that cannot be made is not remembered. The newest value stays, whatever it weighs: the
    requests that follow need it, too.
    """

    def __init__(self, capacity: float, weight: Callable[[Value], float] = lambda value: 1) -> None:
        self._values: LRUCache[Key, Value] = LRUCache(
            capacity, getsizeof=lambda value: min(weight(value), capacity)
        )
        self._changed = threading.Condition()

        @cached(self._values, key=lambda key, make: key, condition=self._changed)
        def get(key: Key, make: Callable[[], Value]) -> Value:
            return make()

        self._get = get

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of this key, made if it is not at hand."""
        return self._get(key, make)

    def peek(self, key: Key) -> Value | None:
        """The value of this key, if it is at hand."""
        with self._changed:
            return self._values.get(key)

    def forget(self, key: Key) -> None:
        """Drop a key."""
        with self._changed:
            self._values.pop(key, None)

    def forget_where(self, chosen: Callable[[Key], bool]) -> None:
        """Drop all keys of a kind."""
        with self._changed:
            for key in [key for key in self._values if chosen(key)]:
                self._values.pop(key, None)

    def __len__(self) -> int:
        return len(self._values)
