"""A bounded cache that threads share."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass
class _Slot(Generic[Value]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Value | None = None


class Lru(Generic[Key, Value]):
    """Keeps the values that were used last, up to a total weight.

    Of several threads that miss the same key, one makes the value and the others wait for it. A
    value that cannot be made is not remembered.
    """

    def __init__(self, capacity: float, weight: Callable[[Value], float] = lambda value: 1) -> None:
        self._capacity = capacity
        self._weight = weight
        self._slots: OrderedDict[Key, _Slot[Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of this key, made if it is not at hand."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            if slot.value is None:
                try:
                    slot.value = make()
                except BaseException:
                    self.forget(key)
                    raise
                self._trim()
            return slot.value

    def forget(self, key: Key) -> None:
        """Drop a key."""
        with self._lock:
            self._slots.pop(key, None)

    def __len__(self) -> int:
        return len(self._slots)

    def _trim(self) -> None:
        # The newest value stays, however large: its request needs it now.
        with self._lock:
            weights = {
                key: self._weight(slot.value)
                for key, slot in self._slots.items()
                if slot.value is not None
            }
            total = sum(weights.values())
            for key in list(weights)[:-1]:
                if total <= self._capacity:
                    return
                total -= weights[key]
                del self._slots[key]
