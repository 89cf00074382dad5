"""The service's end: has a file read by a reader, and says in words what a file did to it."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal

from service.errors import BusyError
from service.reading.forks import BEGUN, READY
from service.reading.limits import HEAD, MIB, MemoryShares, bounds_of
from service.reading.messages import Bounds, Description, ReadAnswer, ReaderEnd, ReadOrder
from service.reading.work import ROWS, TABLE
from service.threads import LONGER_SECONDS
from worker.data import Table, TableStatistics, read_when_asked
from worker.errors import DataError, UnavailableError
from worker.jobs import Checked, DataOrder
from worker.settings import ServiceSettings
from worker.spec import Reading

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "service.reading.forks")
FOLDER = "reading"
"""In the state folder: what readers write until it is stored."""
WARM_AFTER_SECONDS = 10.0
"""A start is busy: the worker imports torch. Who uploads before this, waits for the imports."""
START_SECONDS = 60.0
BEGIN_SECONDS, FROZEN_SECONDS = 1.7, 10.0
"""Time in which a reader is forked, or the upload is refused; and from a first refusal on, after
which the process that should is taken for frozen, and replaced."""
GRACE_SECONDS = 10.0
"""Beyond a reader's time, in which its end has been told."""
LEFT_SECONDS = 86_400.0
"""Age of a folder that no upload can be at work in."""
LONGEST_ANSWER = 256 * MIB
CHECKS = 0.25
"""Of the memory for uploads, as much again for checks of jobs that take some columns of a table."""
NOTHING = Reading(columns={})
ENVIRONMENT = {
    # One thread before the fork. Arrow allocates where the limit on memory is exact.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


class Reader:
    """Reads files of users, each in a process of its own."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._shares = MemoryShares(settings.upload_memory, LONGER_SECONDS["uploads"])
        checks = int(settings.upload_memory * CHECKS)
        self._checks = MemoryShares(checks, LONGER_SECONDS["uploads"])
        self._lock = threading.Lock()
        self._forks: ForksProcess | None = None
        self._closed = False
        self._warming = threading.Timer(WARM_AFTER_SECONDS, self._warm)
        self._warming.daemon = True

    def start(self) -> None:
        """Have the imports done before the first upload, most likely; and remove what uploads left
        that were under way when the machine stopped.
        """
        self._warming.start()
        for folder in (self._settings.state / FOLDER).glob("*"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > LEFT_SECONDS:
                    shutil.rmtree(folder)

    def close(self) -> None:
        """End what is read."""
        self._warming.cancel()
        with self._lock:
            self._closed = True
            if self._forks is not None:
                self._forks.close()

    @contextmanager
    def described(
        self, file: BinaryIO, filename: str | None, reading: Reading, target: str | None
    ) -> Iterator[tuple[Description, BinaryIO]]:
        """What a file holds, and its table as a file of Parquet, which is there for the length of a
        block.

        Raises:
            DataError: it cannot be read as a table, has no such target, or takes too much.
            BusyError: others that are read do not come to an end.
            UnavailableError: there is no reader to be had.
        """
        with self._read(file, "describe", filename, reading, target) as (answer, folder):
            if answer.description is None:
                raise _failed(answer.failed)
            with (folder / TABLE).open("rb") as table:
                yield answer.description, table

    def table(self, file: BinaryIO, filename: str | None, reading: Reading) -> Table:
        """The table that a file holds; raises as `described`."""
        with self._read(file, "table", filename, reading) as (_, folder):
            return Table.from_parquet(folder / TABLE)

    @contextmanager
    def opened(self, file: BinaryIO, filename: str | None, reading: Reading) -> Iterator[Table]:
        """The same for the length of a block, in which it is read as it is asked for."""
        with (
            self._read(file, "table", filename, reading) as (_, folder),
            (folder / TABLE).open("rb") as table,
        ):
            yield read_when_asked(table)

    def checked(
        self, file: BinaryIO, filename: str | None, reading: Reading, order: DataOrder
    ) -> Checked:
        """A job's data, checked against a file; raises as `described`."""
        with self._read(file, "check", filename, reading, data=order) as (answer, _):
            if answer.checked is None:
                raise _failed(answer.failed)
            return answer.checked

    def counted(
        self, file: BinaryIO, filename: str | None, reading: Reading, order: DataOrder
    ) -> TableStatistics:
        """What is counted of a file's table; raises as `described`."""
        with self._read(file, "count", filename, reading, data=order) as (answer, _):
            if answer.statistics is None:
                raise _failed(answer.failed)
            return answer.statistics

    @contextmanager
    def rows(self, file: BinaryIO) -> Iterator[Path]:
        """The rows of a Parquet file to predict as an Arrow file, which is there for the length of
        a block; raises as `described`.
        """
        with self._read(file, "rows") as (_, folder):
            yield folder / ROWS

    @contextmanager
    def _read(
        self,
        file: BinaryIO,
        task: Literal["describe", "table", "rows", "check", "count"],
        filename: str | None = None,
        reading: Reading = NOTHING,
        target: str | None = None,
        data: DataOrder | None = None,
    ) -> Iterator[tuple[ReadAnswer, Path]]:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        counted = data.statistics if data is not None and data.stored else None
        rows = None if counted is None else counted.rows
        # A few columns of a table that was read before are not kept waiting by uploads.
        shares = self._shares if rows is None else self._checks
        bounds = bounds_of(size, file.read(HEAD), shares.total, rows)
        folder = self._folder()
        try:
            order = ReadOrder(
                folder=folder,
                filename=_ending(filename),
                reading=reading,
                target=target,
                task=task,
                data=data,
                bounds=bounds,
            )
            with _opened(file, folder) as descriptor, shares.share(bounds.memory):
                answer, end = self.run(order, descriptor)
            _check(answer, end, size, bounds)
            assert answer is not None
            yield answer, folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run(self, order: ReadOrder, file: int) -> tuple[ReadAnswer | None, ReaderEnd]:
        """What a reader answers, if it does, and how it ended."""
        forks = self._process()
        try:
            return forks.run(order, file)
        except (OSError, TimeoutError) as error:
            forks.close()
            raise UnavailableError(
                "the process that reads uploads has ended, or was frozen; try again",
                code="no_reader",
            ) from error

    def _process(self) -> "ForksProcess":
        with self._lock:
            if self._closed:
                raise UnavailableError("the service stops", code="no_reader")
            if self._forks is None or not self._forks.is_alive:
                self._forks = ForksProcess(self._settings)
            forks = self._forks
        forks.wait_until_ready()
        return forks

    def _warm(self) -> None:
        with suppress(UnavailableError):
            self._process()

    def _folder(self) -> Path:
        parent = self._settings.prepare_state() / FOLDER
        parent.mkdir(mode=0o700, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=parent))


class ForksProcess:
    """The process that readers are forked from."""

    def __init__(self, settings: ServiceSettings, command: Sequence[str] = COMMAND) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **settings.environment(), **ENVIRONMENT},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._lock = threading.Lock()
        self._ready = False
        self._silent_since: float | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait until it has imported what it needs."""
        with self._lock:
            if self._ready:
                return
            self._control.settimeout(START_SECONDS)
            try:
                self._ready = self._control.recv(len(READY), socket.MSG_WAITALL) == READY
            except OSError as error:
                self.close()
                raise _no_reader() from error
            if not self._ready:
                raise _no_reader()

    def run(self, order: ReadOrder, file: int) -> tuple[ReadAnswer | None, ReaderEnd]:
        """Have a reader forked, tell it its order, and wait for its end."""
        mine, theirs = socket.socketpair()
        with mine:
            with theirs, self._lock:
                request = order.bounds.model_dump_json().encode()
                socket.send_fds(self._control, [request], [theirs.fileno(), file])
            mine.settimeout(BEGIN_SECONDS)
            with mine.makefile("rb") as lines:
                self._await_begin(lines)
                mine.settimeout(order.bounds.seconds + GRACE_SECONDS)
                # One that ends before it has read its order is told of like any other.
                with suppress(BrokenPipeError, ConnectionResetError):
                    mine.sendall(order.model_dump_json().encode() + b"\n")
                return _heard(lines)

    def _await_begin(self, lines: BinaryIO) -> None:
        try:
            begun = lines.readline(len(BEGUN)) == BEGUN
        except TimeoutError as error:
            now = time.monotonic()
            self._silent_since = self._silent_since or now
            if now - self._silent_since > FROZEN_SECONDS:
                log.error("process %d forks no readers; it is killed", self._process.pid)
                self.close()
            raise BusyError(
                "the process that reads uploads does not answer; try again", code="no_reader"
            ) from error
        if not begun:
            raise ConnectionError
        self._silent_since = None

    def close(self) -> None:
        """End it, and its readers with it."""
        self._control.close()
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)


def _heard(lines: BinaryIO) -> tuple[ReadAnswer | None, ReaderEnd]:
    """A reader's answer, if it gave one, and how it ended."""
    answer = None
    while line := lines.readline(LONGEST_ANSWER):
        if line.startswith(ReaderEnd.MARK):
            return answer, ReaderEnd.model_validate_json(line.removeprefix(ReaderEnd.MARK))
        answer = ReadAnswer.model_validate_json(line)
    raise ConnectionError("the process that readers are forked from has ended")


@contextmanager
def _opened(file: BinaryIO, folder: Path) -> Iterator[int]:
    """A file opened once more, with a place of its own; copied where that cannot be."""
    try:
        path = Path(f"/proc/self/fd/{file.fileno()}")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no such files, on other systems; or it is none of the system's
        copy = folder / "source"
        with copy.open("wb") as target:
            file.seek(0)
            shutil.copyfileobj(file, target, MIB)
        descriptor = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _ending(filename: str | None) -> str | None:
    """All that is looked at of a name."""
    suffix = Path(filename or "").suffix
    return f"file{suffix}" if suffix.isascii() and suffix.isprintable() else None


def _check(answer: ReadAnswer | None, end: ReaderEnd, size: int, bounds: Bounds) -> None:
    """Raise what kept a file from being read."""
    if end.reason == "time" or (answer is None and end.status == -signal.SIGXCPU):
        raise _too_slow(size, bounds)
    # What ends a reader without a word is the system, where memory is short.
    killed = answer is None and end.status in (-signal.SIGKILL, -signal.SIGABRT)
    if end.reason == "memory" or killed or (answer is not None and answer.exhausted):
        raise _too_much_memory(size, bounds)
    if answer is None:
        log.error("a reader has ended with status %d", end.status)
        raise _failed(None)
    if answer.refusal is not None:
        raise answer.refusal.error()
    if answer.fault is not None:
        raise OSError(answer.fault, os.strerror(answer.fault))
    if answer.failed is not None:
        raise _failed(answer.failed)


def _too_slow(size: int, bounds: Bounds) -> DataError:
    return DataError(
        f"Reading the file takes more than the {bounds.processor_seconds:,} s of processor time "
        f"that a file of {size:,} bytes may take. Upload fewer rows or columns.",
        code="reading_too_slow",
        param="file",
        seconds=bounds.processor_seconds,
    )


def _too_much_memory(size: int, bounds: Bounds) -> DataError:
    return DataError(
        f"Reading the file takes more than the {bounds.memory // MIB:,} MiB of memory that a file "
        f"of {size:,} bytes may take here. Upload fewer rows or columns, or raise the setting "
        "PARSIMONY_UPLOAD_MEMORY if the file is large.",
        code="reading_too_large",
        param="file",
        limit=bounds.memory,
    )


def _failed(error: str | None) -> DataError:
    return DataError(
        f"The file cannot be read: its reader ended{f' with {error}' if error else ''}. It is "
        "damaged, or written in a way that is not read. Write it anew.",
        code="unreadable_file",
        param="file",
    )


def _no_reader() -> UnavailableError:
    return UnavailableError(
        "the process that reads uploads does not start; the service's log says why",
        code="no_reader",
    )
