"""Children that are started again when they end."""

import os
import signal
import subprocess
import threading
import time

import pytest

from tests.waiting import until
from worker.errors import UnavailableError
from worker.runtime import processes, restarts
from worker.runtime.lifeline import launch
from worker.runtime.processes import _Keeper
from worker.runtime.restarts import FIRST_PAUSE, LONGEST_PAUSE, Pauses, ending


class Part:
    """A process that sleeps; may be kept from starting."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.broken = False
        self.threads: set[int] = set()

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    def start(self) -> None:
        self.starts += 1
        self.threads.add(threading.get_ident())
        if self.broken:
            raise UnavailableError("no such program")
        self.process = subprocess.Popen(launch(os.getpid(), "/bin/sleep", "600"))

    def ended(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(restarts, "FIRST_PAUSE", 0.01)


def test_what_is_killed_is_started_again_and_said(caplog: pytest.LogCaptureFixture) -> None:
    part, other = Part(), Part()
    keeper = _Keeper([("the part", part), ("the other", other)])
    keeper.start()
    try:
        first, untouched = part.pid, other.pid
        part.kill()
        until(lambda: part.pid != first and part.ended() is None)
        assert other.pid == untouched
        # The thread that has started them is the one that they live with.
        assert part.threads == other.threads
        assert threading.get_ident() not in part.threads
        said = caplog.text
        assert f"the part (process {first}) was ended by signal 9; another one starts in" in said
    finally:
        keeper.let_go()
        part.kill()
        other.kill()
        keeper.join()
    assert (part.starts, other.starts) == (2, 1)


def test_what_does_not_start_again_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    part = Part()
    keeper = _Keeper([("the part", part)])
    keeper.start()
    try:
        part.broken = True
        part.kill()
        until(lambda: part.starts >= 3)
        part.broken = False
        until(lambda: part.ended() is None)
        assert "the part does not start: no such program" in caplog.text
    finally:
        keeper.let_go()
        part.kill()
        keeper.join()


def test_what_does_not_start_at_first_is_an_error() -> None:
    part = Part()
    part.broken = True
    keeper = _Keeper([("the part", part)])
    with pytest.raises(UnavailableError, match="no such program"):
        keeper.start()
    keeper.let_go()
    keeper.join()
    assert part.starts == 1


def test_pauses_grow_unless_a_process_was_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    pauses = Pauses()
    now = time.monotonic()
    grown = [pauses.after(now) for _ in range(20)]
    assert grown[:2] == [FIRST_PAUSE, 2 * FIRST_PAUSE]
    assert grown[-1] == LONGEST_PAUSE
    assert pauses.after(now - 3600) == FIRST_PAUSE


def test_how_a_process_ended() -> None:
    assert ending(-signal.SIGKILL) == "was ended by signal 9"
    assert ending(3) == "ended with status 3"
