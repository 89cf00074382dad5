"""The thread that a supervisor works in: rung for, and looking by itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from tests.waiting import until
from worker.errors import UnavailableError
from worker.runtime.slot import Slot
from worker.runtime.supervisor import Supervisor

NEVER = 1000.0


class Work:
    """In place of a supervisor: notes what it is asked, and in which thread."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.threads: set[int] = set()
        self.closed = False
        self.on_work: Callable[[], None] = lambda: None

    def warm_up(self) -> None:
        self.threads.add(threading.get_ident())

    def work(self, fleet_id: str | None = None) -> None:
        self.threads.add(threading.get_ident())
        self.asked.append(fleet_id)
        self.on_work()

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed = True


@contextmanager
def slot(work: Work, look: float, draining: Callable[[], bool] = lambda: False) -> Iterator[Slot]:
    started = Slot(cast(Supervisor, work), look, draining)
    started.start()
    yield started
    started.close()
    assert work.closed
    # The kernel would end a standby with a thread that had started it and ended.
    assert len(work.threads) == 1


def test_it_does_what_it_is_told_and_says_when_it_is_done() -> None:
    work = Work()
    with slot(work, NEVER) as started:
        started.work("a")
        assert work.asked == ["a"]
        started.work("b")
        assert work.asked == ["a", "b"]


def test_it_looks_by_itself_when_nobody_rings() -> None:
    work = Work()
    with slot(work, 0.01):
        until(lambda: work.asked[:3] == [None, None, None])


@pytest.mark.parametrize("error", [UnavailableError("no database"), RuntimeError("unforeseen")])
def test_an_error_does_not_end_it(error: Exception) -> None:
    work = Work()

    def fail() -> None:
        work.on_work = lambda: None
        raise error

    work.on_work = fail
    with slot(work, NEVER) as started:
        started.work("a")
        started.work("b")
    assert work.asked == ["a", "b"]


def test_a_message_waits_behind_what_the_slot_has_found_itself() -> None:
    work = Work()
    inside, go_on = threading.Event(), threading.Event()

    def first() -> None:
        work.on_work = lambda: None
        inside.set()
        go_on.wait(30)

    work.on_work = first
    with slot(work, 0.01) as started:
        assert inside.wait(30)
        message = threading.Thread(target=started.work, args=("a",))
        message.start()
        until(lambda: started._hints)
        assert message.is_alive()
        go_on.set()
        message.join(30)
        assert not message.is_alive()
        assert "a" in work.asked


def test_while_it_drains_nothing_is_begun() -> None:
    work = Work()
    with slot(work, NEVER, draining=lambda: True) as started:
        started.work("a")
    assert work.asked == []
    started.work("too late")
    assert work.asked == []
