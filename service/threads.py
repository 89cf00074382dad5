"""Threads for what takes time, in pools: what takes long never keeps what is short waiting.

Threads share one lock, Python's. Forty at work at once, which is what a thread for each request
comes to, made the event loop wait for its turn for half a second; and behind forty uploads the
question after the service's health waited for a thread. A pool has as many threads as are of use,
and the requests beyond wait in their own pool's queue.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal, ParamSpec, TypeVar

import torch
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from threadpoolctl import threadpool_limits

Pool = Literal[
    "health",
    "metrics",
    "uploads",
    "planning",
    "reports",
    "answers",
    "catalogue",
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
    "loading": 2,
    "sampling": 2,
    "metrics": 1,
}
"""Most threads of each pool at once. Those of `answers` mostly wait, for a database or torch. Two
load models, so that a large one does not keep a small one waiting."""

POOLS: dict[str, Pool] = {
    "readyz": "health",
    "ping": "health",
    "v2_server_live": "health",
    "v2_server_ready": "health",
    "upload_dataset": "uploads",
    "create_job": "planning",
    "create_prediction": "planning",
    "validate_job": "planning",
    "get_chart": "reports",
    "get_chart_picture": "reports",
    "get_report": "reports",
}
"""The pool of an operation; `answers` unless it is listed."""

_limiters: RunVar[dict[Pool, CapacityLimiter]] = RunVar("limiters")

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


async def in_pool(
    pool: Pool,
    function: Callable[Parameters, Result],
    *args: Parameters.args,
    **kwargs: Parameters.kwargs,
) -> Result:
    """Call a function in a thread of a pool, as soon as one is free."""
    limiters = _limiters.get({})
    if not limiters:
        limiters = {name: CapacityLimiter(size) for name, size in SIZES.items()}
        _limiters.set(limiters)
    return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=limiters[pool])


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
