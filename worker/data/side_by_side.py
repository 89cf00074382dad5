"""Columns side by side: as many at a time as Arrow has threads.

What Arrow and NumPy do to a column lets other threads go on meanwhile. Results come in the order of
the columns, and of several errors the one of the first column is raised, whichever is done first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import prod
from typing import TypeVar

import pyarrow as pa

from worker.data.table import Cells, Table

LARGE = 2**22
"""Bytes of a file, or a table, from which threads are worth their start."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(
    function: Callable[[_Item], _Result], items: Iterable[_Item], size: int
) -> Iterator[_Result]:
    """What becomes of each item, in their order.

    Few are taken up before they are asked for, so that what is given away item by item is let go
    item by item.

    Args:
        function: what is done to each.
        items: columns, most likely; they are iterated over by the thread that asks.
        size: bytes of all of them together, about.
    """
    threads = _threads(size)
    if threads == 1:
        yield from map(function, items)
        return
    begun: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="columns") as pool:
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                del item
                if len(begun) > threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for one in begun:
                one.cancel()


def each_column(function: Callable[[Cells], _Result], table: Table) -> Iterator[_Result]:
    """What becomes of each of a table's columns; one that is not read yet is read when its turn
    comes.
    """
    cells = ((column, table.values[column.name]) for column in table.columns)
    about = table.rows * sum(8 * prod(column.shape) for column in table.columns)
    return side_by_side(function, cells, about)


@contextmanager
def meanwhile(work: Callable[[], None], size: int) -> Iterator[None]:
    """Have something done while a block runs, or after it where that is not worth a thread; its
    error is raised unless the block has one.
    """
    if _threads(size) == 1:
        yield
        work()
        return
    with ThreadPoolExecutor(1, thread_name_prefix="meanwhile") as pool:
        done = pool.submit(work)
        yield
        done.result()


def _threads(size: int) -> int:
    return pa.cpu_count() if size >= LARGE else 1
