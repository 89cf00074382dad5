"""Threads for what takes time, in pools: what takes long never keeps what is short waiting.

Threads share one lock, Python's. Forty at work at once, which is what a thread for each request
comes to, made the event loop wait for its turn for half a second; and behind forty uploads the
question after the service's health waited for a thread. A pool has as many threads as are of use,
and the requests beyond wait in their own pool's queue: as long as it moves. Where all threads of a
pool hang, on whatever is frozen, those that wait are refused.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal, ParamSpec, TypeVar

import torch
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from threadpoolctl import threadpool_limits

from service.errors import BusyError

Pool = Literal[
    "health",
    "metrics",
    "uploads",
    "planning",
    "reports",
    "answers",
    "catalogue",
    "keys",
    "limits",
    "loading",
    "sampling",
]

SIZES: dict[Pool, int] = {
    "health": 2,
    "uploads": 2,
    "planning": 2,
    "reports": 2,
    "answers": 16,
    "catalogue": 1,
    "keys": 1,
    "limits": 1,
    "loading": 2,
    "sampling": 2,
    "metrics": 1,
}
"""Most threads of each pool at once. Those of `answers` mostly wait, for a database or torch. Two
load models, so that a large one does not keep a small one waiting."""

POOLS: dict[str, Pool] = {
    "upload_dataset": "uploads",
    "create_job": "planning",
    "retry_job": "planning",
    "create_prediction": "planning",
    "validate_job": "planning",
    "get_chart": "reports",
    "get_chart_picture": "reports",
    "get_chart_drawing": "reports",
    "get_report": "reports",
    "get_coefficients": "reports",
    "get_model_file": "reports",
    "get_report_markdown": "reports",
    "get_report_page": "reports",
    "export_job": "reports",
}
"""The pool of an operation; `answers` unless it is listed."""

HANGING_SECONDS = 1.7
"""A pool that ended no call for this long is taken to hang."""
LONGER_SECONDS: dict[Pool, float] = {
    "uploads": 30.0,
    "reports": 10.0,
    "loading": 30.0,
    "sampling": 30.0,
}
"""The same of pools whose calls take as long as what they are given is large."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class FairSemaphore:
    """The right to a thread of a pool, given in the order in which it is asked for.

    Args:
        size: threads at once.
        longest: seconds after which whoever waits is refused, if no call has ended since.
    """

    def __init__(self, size: int, longest: float) -> None:
        self._free, self._longest = size, longest
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._moved = -math.inf
        self._watch: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        """Have a slot, as soon as one is free; ``BusyError`` where all of them hang."""
        if self._free:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append((loop.time(), turn))
        if self._watch is None:
            self._watch = loop.call_later(self._longest, self._look, loop)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back()
            raise

    def give_back(self) -> None:
        """Let the next one have it."""
        self._moved = asyncio.get_running_loop().time()
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse those that have waited for too long while nothing moved; look again in time."""
        self._watch = None
        now = loop.time()
        while self._waiting:
            since, turn = self._waiting[0]
            due = max(since, self._moved) + self._longest
            if due > now:
                self._watch = loop.call_at(due, self._look, loop)
                return
            self._waiting.popleft()
            if not turn.done():
                turn.set_exception(
                    BusyError(
                        "what is needed for this is in use, and nothing of it has come to an end "
                        f"for {self._longest:g} s; try again"
                    )
                )


class _Pools:
    """All of one event loop. The slots say how many threads there are, and anyio keeps them."""

    def __init__(self) -> None:
        self.slots = {
            name: FairSemaphore(size, LONGER_SECONDS.get(name, HANGING_SECONDS))
            for name, size in SIZES.items()
        }
        self.limiter = CapacityLimiter(math.inf)


_pools: RunVar[_Pools] = RunVar("pools")


async def in_pool(
    pool: Pool,
    function: Callable[Parameters, Result],
    *args: Parameters.args,
    **kwargs: Parameters.kwargs,
) -> Result:
    """Call a function in a thread of a pool, as soon as one is free.

    Raises:
        BusyError: all threads of the pool hang.
    """
    pools = _pools.get(None)
    if pools is None:
        pools = _Pools()
        _pools.set(pools)
    slots = pools.slots[pool]
    await slots.take()
    try:
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=pools.limiter)
    finally:
        slots.give_back()


@contextmanager
def one_thread_a_call() -> Iterator[None]:
    """Let a call of torch or BLAS compute in the thread that makes it, for the length of a block.

    The service computes in several threads already, each with its own rows. The threads that torch
    would add wait for each other at every layer, and wait long beside a trainer: with two on two
    busy cores, 1,000 rows through a network of 20-256-256-10 took 160 ms, and alone 13 ms.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
