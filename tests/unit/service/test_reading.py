"""Whatever a file does to its reader, the service says it in words and reads the next one."""

import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import numpy as np
import pytest

from service.errors import BusyError
from service.reading.forks import READY, Forks
from service.reading.limits import MIB, MemoryShares, bounds_of
from service.reading.messages import Bounds, ReadAnswer, ReadOrder
from service.reading.reader import ForksProcess, Reader
from tests.waiting import until
from worker.errors import DataError, UnavailableError
from worker.settings import ServiceSettings
from worker.spec import Reading

PLAIN = Reading(columns={})


def work(order: ReadOrder, file: BinaryIO) -> ReadAnswer:
    """A reader that does what its file says."""
    what, _, of = file.read().decode().partition(" ")
    if what == "take":
        try:
            np.ones(int(of) * MIB, np.uint8)
        except MemoryError:
            return ReadAnswer(exhausted=True)
    elif what == "signal":
        os.kill(os.getpid(), int(of))
    elif what == "exit":
        os._exit(int(of))
    elif what == "compute":
        while True:
            pass
    elif what == "wait":
        (order.folder / "begun").touch()
        signal.pause()
    elif what == "open":
        with suppress(OSError):
            for _ in range(10_000):
                os.open(os.devnull, os.O_RDONLY)
            return ReadAnswer(failed="opened")
        return ReadAnswer(failed="refused")
    elif what == "write":
        try:
            (order.folder / "large").write_bytes(bytes(int(of) * MIB))
        except OSError as error:
            return ReadAnswer(fault=error.errno)
    return ReadAnswer(failed="done")


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.sendall(READY)
    Forks(control, work).serve()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ServiceSettings:
    return ServiceSettings(state=tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def forks(settings: ServiceSettings) -> Iterator[ForksProcess]:
    started = ForksProcess(settings, (sys.executable, "-m", "tests.unit.service.test_reading"))
    started.wait_until_ready()
    yield started
    started.close()


@pytest.fixture
def reader(
    settings: ServiceSettings, forks: ForksProcess, monkeypatch: pytest.MonkeyPatch
) -> Reader:
    monkeypatch.setattr("service.reading.reader.ForksProcess", lambda _: forks)
    bounds = Bounds(memory=64 * MIB, processor_seconds=1, seconds=20.0, files=64, written=8 * MIB)
    monkeypatch.setattr("service.reading.reader.bounds_of", lambda *_: bounds)
    return Reader(settings)


def read(reader: Reader, what: str) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(what.encode())
        reader.table(file, None, PLAIN)


def refused(reader: Reader, what: str) -> DataError:
    with pytest.raises(DataError) as caught:
        read(reader, what)
    return caught.value


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("take 200", "reading_too_large", "PARSIMONY_UPLOAD_MEMORY"),
        (f"signal {signal.SIGKILL.value}", "reading_too_large", "64 MiB"),
        (f"signal {signal.SIGABRT.value}", "reading_too_large", "fewer rows"),
        (f"signal {signal.SIGSEGV.value}", "unreadable_file", "Write it anew"),
        ("exit 3", "unreadable_file", "damaged"),
        ("compute", "reading_too_slow", "1 s of processor time"),
        ("open", "unreadable_file", "refused"),
        ("take 8", "unreadable_file", "done"),
    ],
)
def test_each_end_of_a_reader_is_an_error_of_the_file(
    reader: Reader, settings: ServiceSettings, what: str, code: str, says: str
) -> None:
    error = refused(reader, what)
    assert (error.code, error.param) == (code, "file")
    assert says in error.message
    assert list((settings.state / "reading").iterdir()) == []


def test_one_that_waits_for_ever_is_ended(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = Bounds(memory=64 * MIB, processor_seconds=9, seconds=0.2, files=64, written=0)
    monkeypatch.setattr("service.reading.reader.bounds_of", lambda *_: bounds)
    assert refused(reader, "wait").code == "reading_too_slow"


def test_a_disk_that_is_full_is_no_fault_of_the_file(reader: Reader) -> None:
    with pytest.raises(OSError, match="large"):
        read(reader, "write 9")


@pytest.mark.slow
def test_a_reader_goes_with_the_process_that_forked_it(settings: ServiceSettings) -> None:
    own = ForksProcess(settings, (sys.executable, "-m", "tests.unit.service.test_reading"))
    reader = Reader(settings)
    reader._forks = own
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            read(reader, "wait")
        except UnavailableError as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: list((settings.state / "reading").glob("*/begun")))
    own.close()
    asking.join()
    assert "try again" in str(failed[0])
    assert list((settings.state / "reading").iterdir()) == []


def test_a_process_that_is_frozen_is_refused_at_once_and_replaced_in_time(
    reader: Reader, forks: ForksProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.reading.reader.BEGIN_SECONDS", 0.2)
    os.kill(forks._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BusyError, match="does not answer"):
            read(reader, "take 1")
    finally:
        os.kill(forks._process.pid, signal.SIGCONT)
    monkeypatch.setattr("service.reading.reader.BEGIN_SECONDS", 60.0)
    assert refused(reader, "take 1").message.count("done")
    assert forks.is_alive


def test_what_a_reader_may_take_follows_its_file() -> None:
    most = 4 * 2**30
    small = bounds_of(1_000, b"a,b\n", most)
    packed = bounds_of(900_000, b"PK\x03\x04", most)
    large = bounds_of(256 * MIB, b"a,b\n", most)
    assert 8 * small.memory <= most
    assert small.memory < packed.memory < 1.2 * 2**30
    assert large.memory == most
    assert bounds_of(256 * MIB, b"a,b\n", 2**30).memory == 2**30
    wide = bounds_of(1_000, b"a;" * 5_000 + b"\n" + b"a;" * 90_000, most)
    assert wide.columns == 5_001
    assert wide.memory - small.memory > 100 * MIB


def test_memory_is_shared_in_order_and_refused_where_nothing_moves() -> None:
    shares = MemoryShares(10, longest=60.0)
    order: list[str] = []
    begun = threading.Event()

    def take(name: str, size: int) -> None:
        with shares.share(size):
            order.append(name)

    with shares.share(6):
        large = threading.Thread(target=take, args=("large", 20))
        large.start()
        until(lambda: len(shares._waiting) == 1)
        small = threading.Thread(target=take, args=("small", 1))
        small.start()
        until(lambda: len(shares._waiting) == 2)
        assert order == []
    large.join()
    small.join()
    assert order == ["large", "small"]
    stuck = MemoryShares(10, longest=0.01)
    with stuck.share(10), pytest.raises(BusyError, match="try again"), stuck.share(1):
        begun.set()
    with stuck.share(10):
        assert not begun.is_set()


if __name__ == "__main__":
    main()
