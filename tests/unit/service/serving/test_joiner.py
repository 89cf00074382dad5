"""Rows of different requests are computed together, in time or not at all."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import BusyError
from service.serving import joiner as joiner_module
from service.serving.joiner import LEAST_ROWS, MOST_ROWS, Deliver, Joined, Joiner
from service.serving.statistics import Statistics
from worker.models import TrainedModel

Rows = NDArray[np.float32]


class Model:
    """Doubles its rows, and keeps what it was asked."""

    def __init__(self, forward: Callable[[Rows], Rows] | None = None) -> None:
        self.batches: list[int] = []
        self._forward = forward or (lambda rows: 2 * rows)

    def forward(self, rows: Rows) -> Rows:
        self.batches.append(len(rows))
        return self._forward(rows)

    def read_scores(self, scores: Rows) -> Rows:
        return scores


def joiner(model: Model, threads: ThreadPoolExecutor | None = None) -> Joiner:
    return Joiner(cast(TrainedModel, model), Statistics(), threads)


def rows(*numbers: float) -> Rows:
    return np.array(numbers, dtype=np.float32)[:, None]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_the_requests_of_one_turn_are_one_batch_and_each_gets_its_own_rows() -> None:
    model = Model()
    one = joiner(model)

    async def work() -> list[Rows]:
        return await asyncio.gather(*(one.scores(rows(n, n + 0.5)) for n in range(40)))

    for number, scores in enumerate(run(work())):
        assert scores.tolist() == [[2.0 * number], [2.0 * number + 1.0]]
    assert model.batches == [80]


def test_what_comes_while_a_thread_computes_is_the_next_batch() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(features: Rows) -> Rows:
        begun.set()
        assert go_on.wait(10)
        return 2 * features

    model = Model(slow)
    with ThreadPoolExecutor(1) as threads:
        one = joiner(model, threads)

        async def work() -> list[Rows]:
            first = asyncio.create_task(one.scores(rows(1)))
            await asyncio.to_thread(begun.wait, 10)
            others = [asyncio.create_task(one.scores(rows(n))) for n in (2, 3, 4)]
            await asyncio.sleep(0)
            assert not one.idle
            go_on.set()
            return await asyncio.gather(first, *others)

        assert [float(scores[0, 0]) for scores in run(work())] == [2, 4, 6, 8]
        assert model.batches == [1, 3]
        assert one.idle


def test_a_busy_loop_does_not_keep_the_thread_waiting() -> None:
    """Two batches are given to threads: the second is computed while the loop does other things."""
    entered = threading.Semaphore(0)
    go_on = threading.Semaphore(0)

    def slow(features: Rows) -> Rows:
        entered.release()
        assert go_on.acquire(timeout=10)
        return 2 * features

    model = Model(slow)
    with ThreadPoolExecutor(1) as threads:
        one = joiner(model, threads)
        one.set_pace(0, 1e6)  # a millisecond a row: batches of the fewest rows

        async def work() -> None:
            asked = [asyncio.create_task(one.scores(rows(*[1] * LEAST_ROWS))) for _ in range(3)]
            await asyncio.to_thread(entered.acquire, timeout=10)
            go_on.release()
            assert entered.acquire(timeout=10)  # although the event loop stands still here
            go_on.release(2)
            await asyncio.gather(*asked)

        run(work())
    assert model.batches == [LEAST_ROWS] * 3
    assert one.idle


def test_answers_of_a_large_batch_leave_turns_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is due, a refusal for example, is done between two answers."""
    monkeypatch.setattr(joiner_module, "WRITING_NS", 0)
    order: list[str] = []
    one = joiner(Model())

    async def work() -> None:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def deliver(number: int) -> Deliver:
            def told(joined: Joined, place: int) -> None:
                order.append(f"{number}: {joined.scores[place, 0]:g}")
                if number == 2:
                    loop.call_soon(ended.set_result, None)
                else:
                    loop.call_soon(order.append, "other")
                    assert not one.idle

            return told

        for number in range(3):
            one.add(rows(number), deliver(number), lambda error: None)
        await ended
        assert one.idle

    run(work())
    assert order == ["0: 0", "other", "1: 2", "other", "2: 4"]


def test_a_large_request_is_computed_in_parts_between_which_others_have_their_turn() -> None:
    model = Model()
    one = joiner(model)
    order: list[str] = []

    async def ask(name: str, features: Rows) -> Rows:
        scores = await one.scores(features)
        order.append(name)
        return scores

    async def work() -> Rows:
        large = np.arange(3 * MOST_ROWS + 5, dtype=np.float32)[:, None]
        answers = await asyncio.gather(ask("large", large), ask("small", rows(7)))
        assert answers[1].tolist() == [[14.0]]
        return cast(Rows, answers[0])

    scores = run(work())
    assert (scores[:, 0] == 2 * np.arange(3 * MOST_ROWS + 5)).all()
    assert max(model.batches) <= MOST_ROWS
    assert order == ["small", "large"]


def test_what_cannot_be_computed_in_time_is_refused_at_once() -> None:
    model = Model()
    one = joiner(model)
    one.set_pace(0, 2e6)  # two milliseconds a row

    async def work() -> None:
        waiting = [asyncio.create_task(one.scores(rows(*range(100)))) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match=r"more rows to compute before yours .* 0.1 s"):
            await one.scores(rows(1), seconds=0.1)
        with pytest.raises(BusyError):
            one.check()
        await asyncio.gather(*waiting)
        assert len(await one.scores(rows(1))) == 1

    run(work())
    assert sum(model.batches) == 1 + 400


def test_rows_of_its_own_are_never_too_many_on_an_idle_service() -> None:
    one = joiner(Model())
    one.set_pace(0, 1e6)
    many = np.zeros((10_000, 1), dtype=np.float32)
    assert len(run(one.scores(many))) == 10_000


def test_who_has_left_or_is_late_is_dropped_before_it_is_computed() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(features: Rows) -> Rows:
        begun.set()
        assert go_on.wait(10)
        return features

    model = Model(slow)
    left = False
    with ThreadPoolExecutor(1) as threads:
        one = joiner(model, threads)

        async def work() -> None:
            nonlocal left
            first = asyncio.create_task(one.scores(rows(1)))
            await asyncio.to_thread(begun.wait, 10)
            gone = asyncio.create_task(one.scores(rows(2), gone=lambda: left))
            late = asyncio.create_task(one.scores(rows(3), seconds=1e-4))
            stays = asyncio.create_task(one.scores(rows(4), gone=lambda: False))
            given_up = asyncio.create_task(one.scores(rows(5)))
            asked = time.perf_counter_ns()
            while time.perf_counter_ns() < asked + 200_000:
                await asyncio.sleep(0)
            given_up.cancel()
            left = True
            go_on.set()
            assert (await first).tolist() == [[1.0]]
            assert (await stays).tolist() == [[4.0]]
            with pytest.raises(BusyError, match="not computed in time"):
                await late
            for task in (gone, given_up):
                with pytest.raises(asyncio.CancelledError):
                    await task

        run(work())
    assert model.batches == [1, 1]


def test_a_fault_reaches_everybody_of_its_batch_and_nobody_else() -> None:
    def faulty(features: Rows) -> Rows:
        if (features < 0).any():
            raise ArithmeticError("negative")
        return features

    one = joiner(Model(faulty))

    async def work() -> None:
        both = await asyncio.gather(
            one.scores(rows(-1)), one.scores(rows(1)), return_exceptions=True
        )
        assert [type(error) for error in both] == [ArithmeticError, ArithmeticError]
        assert (await one.scores(rows(1))).tolist() == [[1.0]]

    run(work())
    assert one.idle


def test_batches_are_as_large_as_the_pace_allows() -> None:
    model = Model()
    one = joiner(model)
    one.set_pace(0, 5e6)  # five milliseconds a row

    async def work() -> None:
        await asyncio.gather(*(one.scores(rows(n)) for n in range(LEAST_ROWS + 36)))

    run(work())
    assert model.batches == [LEAST_ROWS, 36]
