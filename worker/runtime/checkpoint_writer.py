"""A process beside a trainer that stores its epochs and checkpoints while it trains on.

Written by the trainer itself, a checkpoint after every epoch cost a fleet of 64 small networks two
fifths of its training: files are synced and read back, rows are committed. A thread would share
the interpreter's lock with the steps. So, where every epoch is to have one, the trainer copies its
state into memory that both see, once, and trains on; what becomes of it is the writer's work. One
checkpoint at a time is under way; where a disk takes longer for it than an epoch lasts, what ends
meanwhile is stored with the next.

The process is forked before the trainer has a thread or a connection. It works with the trainer's
lease, so that what comes late is refused, and lives and dies with it: a trainer whose writer has
died ends as if it had died there itself.

torch is imported where it is needed, in trainer processes only.
"""

import logging
import math
import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, NoReturn, Self

import orjson

from worker.errors import UnavailableError
from worker.failpoints import failpoint
from worker.runtime.lifeline import die_with_parent
from worker.schema import Json
from worker.settings import ServiceSettings
from worker.storage import counters, progress
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.faults import is_collision, place_fault, reason_of
from worker.storage.fleets import Lease, StaleToken
from worker.storage.limits import TRAINER

if TYPE_CHECKING:
    import torch

    from worker.training import TrainingState

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 120.0
"""A writer that has not answered by then hangs: longer than a store or a database is waited for."""
LONGEST_LINE = 65_536
ALIGNMENT = 64
"""Bytes; where tensors begin in memory that both see."""


class WriterLostError(BaseException):
    """It has ended, or hangs. The trainer is to end, too; no part of it may take this for its job's
    doing.
    """


@dataclass(frozen=True)
class Handed:
    """A checkpoint, and the epochs since the one before it."""

    epoch: int
    epochs: Sequence[tuple[int, progress.Values]]
    first_step_at: datetime | None
    state: "TrainingState"
    stood: float
    """Seconds for which training stood still for it."""


def store_checkpoint(
    database: Database, artefacts: Artefacts, lease: Lease, handed: Handed
) -> None:
    """Write a checkpoint, refer to it, and forget those that it makes superfluous.

    Raises ``StaleToken`` when the fleet is somebody else's, and what a place at fault raises.
    """
    from worker.training import dump_state

    began = time.monotonic()
    folder = progress.checkpoints_folder(lease.job_id, lease.fleet_id)
    written = artefacts.write(folder, dump_state(handed.state))
    failpoint("checkpoint.written")
    with database.write() as session:
        if handed.epochs:
            progress.record_epochs(
                session, lease, handed.epochs, first_step_at=handed.first_step_at
            )
        spare = progress.save_checkpoint(
            session,
            lease,
            epoch=handed.epoch,
            path=written.path,
            sha256=written.sha256,
            bytes=written.bytes,
        )
        counters.add(session, counters.CHECKPOINTS, amount=written.bytes)
        stood = handed.stood or time.monotonic() - began
        counters.add(session, counters.CHECKPOINT_SECONDS, amount=stood)
    failpoint("checkpoint.referred")
    for path in spare:
        artefacts.discard(path)


class CheckpointWriter:
    """The trainer's end. One checkpoint at a time: :meth:`submit`, then :meth:`wait`."""

    def __init__(self, control: socket.socket, pid: int) -> None:
        self._control, self._pid = control, pid
        self._memory: mmap.mmap | None = None
        self._since: float | None = None
        """When what is under way was handed over."""

    @classmethod
    def start(
        cls, settings: ServiceSettings, lease: Lease, descriptors: Sequence[int]
    ) -> Self | None:
        """Fork it, if each epoch is to have a checkpoint and the system has memory to share.

        ``descriptors`` are the trainer's, which its supervisor must see closed when it ends.
        """
        if settings.checkpoint_seconds > 0 or not hasattr(os, "memfd_create"):
            return None
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _be_writer(parent, theirs, settings, lease, descriptors)
        theirs.close()
        ours.settimeout(PATIENCE_SECONDS)
        return cls(ours, pid)

    def submit(self, handed: Handed) -> None:
        """Hand a checkpoint over; the one before must have been waited for."""
        tensors = handed.state.tensors
        rooms = (_room(tensor.nbytes) for tensor in tensors.values())
        *begins, end = accumulate(rooms, initial=0)
        head = orjson.dumps(
            {
                "epoch": handed.epoch,
                "epochs": [[epoch, dict(values)] for epoch, values in handed.epochs],
                "first_step_at": handed.first_step_at,
                "position": handed.state.position.model_dump_json(),
                "tensors": [
                    [name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape), at]
                    for (name, tensor), at in zip(tensors.items(), begins, strict=True)
                ],
                "stood": handed.stood,
            }
        )
        size = end + len(head)
        line = orjson.dumps({"begin": end, "end": size}) + b"\n"
        descriptor: int | None = None
        if self._memory is None or len(self._memory) < size:
            descriptor = os.memfd_create("checkpoint", os.MFD_CLOEXEC)
            os.truncate(descriptor, size + size // 4)
            self._memory = mmap.mmap(descriptor, 0)
        for tensor, at in zip(tensors.values(), begins, strict=True):
            _seen(self._memory, tensor.dtype, tensor.shape, at).copy_(tensor)
        self._memory[end:size] = head
        self._since = time.monotonic()
        try:
            if descriptor is None:
                self._control.sendall(line)
            else:
                socket.send_fds(self._control, [line], [descriptor])
                os.close(descriptor)
        except OSError as error:
            raise self._lost() from error

    @property
    def is_busy(self) -> bool:
        """Whether what was handed over is still under way."""
        if self._since is None or select.select([self._control], [], [], 0)[0]:
            return False
        if time.monotonic() - self._since > PATIENCE_SECONDS:
            raise self._lost()
        return True

    def wait(self) -> None:
        """Until what was handed over is stored, if something was.

        Raises:
            StaleToken: the fleet is somebody else's.
            UnavailableError: the place did not let it be stored.
        """
        if self._since is None:
            return
        self._since = None
        try:
            line = self._control.recv(LONGEST_LINE)
        except OSError as error:
            raise self._lost() from error
        if not line:
            raise self._lost()
        answer = orjson.loads(line)
        if "stale" in answer:
            raise StaleToken(answer["stale"])
        if "fault" in answer:
            raise UnavailableError(answer["fault"])

    def close(self) -> None:
        """End it."""
        self._control.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def _lost(self) -> WriterLostError:
        return WriterLostError(
            "the process that writes its checkpoints has ended, or hangs; the worker's log may say "
            "why"
        )


def _be_writer(
    parent: int,
    control: socket.socket,
    settings: ServiceSettings,
    lease: Lease,
    descriptors: Sequence[int],
) -> NoReturn:
    status = 1
    try:
        die_with_parent(parent)
        with suppress(AttributeError, OSError):  # not to interrupt a step when it wakes up
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        for descriptor in descriptors:
            os.close(descriptor)
        _serve(control, _Opened(settings, lease))
        status = 0
    except BaseException:
        logger.exception("the checkpoint writer ends")
    finally:
        os._exit(status)


class _Opened:
    """What stores: the database and the artefacts, opened when they are needed."""

    def __init__(self, settings: ServiceSettings, lease: Lease) -> None:
        self._settings, self._lease = settings, lease
        self._places: tuple[Database, Artefacts] | None = None

    def __call__(self, handed: Handed) -> None:
        if self._places is None:
            database = Database(self._settings.database_url, TRAINER)
            self._places = database, Artefacts(self._settings.artefacts_url)
        store_checkpoint(*self._places, self._lease, handed)


def _serve(control: socket.socket, stores: Callable[[Handed], None]) -> None:
    """Store what is handed over, until the trainer's end is closed."""
    memory: mmap.mmap | None = None
    while True:
        line, descriptors, _, _ = socket.recv_fds(control, LONGEST_LINE, 1)
        if not line:
            return
        for descriptor in descriptors:
            memory = mmap.mmap(descriptor, 0)
            os.close(descriptor)
        if memory is None:
            raise RuntimeError("a checkpoint without memory")
        at = orjson.loads(line)
        answer = _answer(stores, _read(memory, slice(at["begin"], at["end"])))
        control.sendall(orjson.dumps(answer) + b"\n")


def _read(memory: mmap.mmap, at: slice) -> Handed:
    """What was handed over, whose head is there; its tensors stay where they are."""
    import torch

    from worker.training import Position, TrainingState

    head: Json = orjson.loads(memory[at])
    tensors = {
        name: _seen(memory, getattr(torch, kind), shape, begin)
        for name, kind, shape, begin in head["tensors"]
    }
    first = head["first_step_at"]
    return Handed(
        epoch=head["epoch"],
        epochs=[(epoch, values) for epoch, values in head["epochs"]],
        first_step_at=None if first is None else datetime.fromisoformat(first),
        state=TrainingState(tensors, Position.model_validate_json(head["position"])),
        stood=head["stood"],
    )


def _room(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _seen(memory: mmap.mmap, kind: "torch.dtype", shape: Sequence[int], at: int) -> "torch.Tensor":
    """The tensor in that place of the memory."""
    import torch

    if not (count := math.prod(shape)):
        return torch.empty(tuple(shape), dtype=kind)
    return torch.frombuffer(memory, dtype=kind, count=count, offset=at).view(tuple(shape))


def _answer(stores: Callable[[Handed], None], handed: Handed) -> dict[str, str]:
    """What became of it; what is neither a lost lease nor the place's fault is raised."""
    try:
        stores(handed)
    except StaleToken as error:
        return {"stale": error.message}
    except Exception as error:
        fault = place_fault(error)
        if fault is None and not is_collision(error):
            raise
        return {"fault": "two transactions met" if fault is None else reason_of(fault)}
    return {}
