"""A trainer waits out what its place is at fault for, says so, and still does as it is asked."""

import errno
import os

import orjson
import pytest
from sqlalchemy.exc import IntegrityError

from worker.errors import SpecError, UnavailableError
from worker.runtime.patience import MOST_COLLISIONS, Interrupted, Patience, pause_before
from worker.runtime.standby import DRAIN, Channel, Lines, Message

FAULT = UnavailableError("the database cannot be used now (locked); try again")


class Told:
    """A trainer's end of the pipes, and what it said."""

    def __init__(self) -> None:
        self._ends = [*os.pipe(), *os.pipe()]
        self.channel = Channel(self._ends[0], self._ends[3])

    def close(self) -> list[Message]:
        """End it; all that was said."""
        for end in (0, 1, 3):
            os.close(self._ends[end])
        lines = Lines(self._ends[2])
        said = [orjson.loads(line) for line in iter(lines.next, b"")]
        os.close(self._ends[2])
        return said


@pytest.fixture
def told() -> Told:
    return Told()


class Work:
    """Fails so many times, then gives 7."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> int:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return 7


def test_it_goes_on_when_the_place_does_and_says_so(told: Told) -> None:
    slept: list[float] = []
    patience = Patience(told.channel, slept.append)
    work = Work(FAULT, 9)
    assert patience.insist(work) == 7
    assert work.calls == 10
    said = told.close()
    waits, last = said[:-1], said[-1]
    assert last == {"event": "going_on"}
    assert {wait["for"] for wait in waits} == {"the database cannot be used now (locked)"}
    pauses = [wait["seconds"] for wait in waits]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert sum(slept) == pytest.approx(sum(pauses))
    assert max(slept) < 0.2  # so often it looks whether it is asked to stop


def test_a_healthy_place_is_not_spoken_of(told: Told) -> None:
    assert Patience(told.channel).insist(Work(FAULT, 0)) == 7
    assert told.close() == []


def test_a_stop_is_heard_while_it_waits(told: Told) -> None:
    def sleep(_: float) -> None:
        told.channel.stop_reason = DRAIN

    work = Work(FAULT, 10**9)
    with pytest.raises(Interrupted):
        Patience(told.channel, sleep).insist(work)
    assert work.calls == 1
    told.close()


def test_what_must_be_done_after_a_stop_is_insisted_on(told: Told) -> None:
    told.channel.stop_reason = DRAIN
    assert Patience(told.channel, lambda _: None).insist(Work(FAULT, 3), stoppable=False) == 7
    told.close()


@pytest.mark.parametrize(
    "error", [SpecError("no such column"), ValueError(), OSError(errno.ENOENT, "none")], ids=repr
)
def test_what_is_no_fault_of_the_place_is_not_tried_again(told: Told, error: Exception) -> None:
    work = Work(error, 2)
    with pytest.raises(type(error)):
        Patience(told.channel, lambda _: None).insist(work)
    assert work.calls == 1
    told.close()


@pytest.mark.parametrize("times", [MOST_COLLISIONS, MOST_COLLISIONS + 1])
def test_transactions_collide_a_few_times_and_no_more(told: Told, times: int) -> None:
    work = Work(IntegrityError("", {}, Exception("unique")), times)
    patience = Patience(told.channel, lambda _: None)
    if times > MOST_COLLISIONS:
        with pytest.raises(IntegrityError):
            patience.insist(work)
    else:
        assert patience.insist(work) == 7
    assert told.close() == []


def test_pauses_have_a_bound() -> None:
    assert pause_before(10**6) == 60
