"""A call of torch or BLAS takes the thread that makes it, as long as the service runs.

Who waits for a thread is refused where all of them hang, and never because many wait.
"""

import asyncio
import threading
from contextlib import suppress

import numpy as np
import torch
from threadpoolctl import threadpool_info

from service.errors import BusyError
from service.threads import FairSemaphore, one_thread_a_call


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def torch_threads_elsewhere() -> int:
    found: list[int] = []

    def compute() -> None:
        torch.ones(8, 8) @ torch.ones(8, 8)
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    return found[0]


def test_all_threads_compute_alone_and_afterwards_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        blas = blas_threads()
        with one_thread_a_call():
            assert (torch.get_num_threads(), torch_threads_elsewhere()) == (1, 1)
            assert blas_threads() == {1}
        assert (torch.get_num_threads(), torch_threads_elsewhere()) == (2, 2)
        assert blas_threads() == blas
    finally:
        torch.set_num_threads(before)


def test_who_waits_while_all_hang_is_refused_and_the_next_one_is_served() -> None:
    async def run() -> None:
        slots = FairSemaphore(2, 0.05)
        await slots.take()
        await slots.take()
        refused = await asyncio.gather(*(slots.take() for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in refused] == [BusyError] * 3
        slots.give_back()
        await slots.take()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_who_waits_in_a_queue_that_moves_is_served_in_turn() -> None:
    async def run() -> None:
        slots, served = FairSemaphore(1, 0.5), list[int]()
        await slots.take()

        async def wait(number: int) -> None:
            await slots.take()
            served.append(number)

        waiting = [asyncio.create_task(wait(number)) for number in range(12)]
        for _ in waiting:
            await asyncio.sleep(0.05)  # in all, longer than the longest wait
            slots.give_back()
        await asyncio.gather(*waiting)
        assert served == list(range(12))

    asyncio.run(asyncio.wait_for(run(), 30))


def test_who_leaves_takes_no_slot_along() -> None:
    async def run() -> None:
        slots = FairSemaphore(1, 30)
        await slots.take()
        early, late = asyncio.create_task(slots.take()), asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        early.cancel()
        slots.give_back()  # late's
        await late
        third = asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        slots.give_back()
        third.cancel()  # it has the slot, and cannot know it yet
        with suppress(asyncio.CancelledError):
            await third
        await slots.take()

    asyncio.run(asyncio.wait_for(run(), 30))
