"""What an object takes in memory, with everything that belongs to it alone."""

import gc
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch

SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, CodeType)
"""What belongs to the program, and leads to all of it."""


def bytes_held(root: Any) -> int:
    """Bytes behind an object: tensors, arrays, texts, and the objects that hold them.

    Memory that several share is counted once, and whole: a view counts all that it keeps alive.
    """
    seen = {id(root)}
    waiting = [root]
    memory: dict[int, int] = {}
    total = 0
    while waiting:
        found = waiting.pop()
        parts: list[Any] = []
        if isinstance(found, SHARED):
            continue
        if isinstance(found, np.ndarray):
            while isinstance(found.base, np.ndarray):
                found = found.base
            if found.base is None:
                memory[found.__array_interface__["data"][0]] = found.nbytes
            parts = [found.base] if found.dtype != object else found.ravel().tolist()
        else:
            if isinstance(found, torch.Tensor):
                storage = found.untyped_storage()
                memory[storage.data_ptr()] = storage.nbytes()
            total += sys.getsizeof(found, 0)
            parts = gc.get_referents(found)
        for part in parts:
            if id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)
    return total + sum(memory.values())
