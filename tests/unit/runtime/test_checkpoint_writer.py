"""What a trainer hands over is stored as if it had stored it itself, or it hears why not."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.rows import claimed
from tests.unit.runtime.work import accepted
from worker.errors import UnavailableError
from worker.runtime import checkpoint_writer
from worker.runtime.checkpoint_writer import (
    CheckpointWriter,
    Handed,
    WriterLostError,
    store_checkpoint,
)
from worker.runtime.patience import Patience
from worker.runtime.standby import Channel
from worker.runtime.trainer import _train
from worker.settings import ServiceSettings
from worker.storage import fleets, jobs, queries
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.fleets import Lease, StaleToken
from worker.training import Position, TrainingState, dump_state
from worker.training.outcome import Outcome

JOB: dict[str, Any] = {
    "training": {"epochs": 6, "batch_size": 100},
    "regularization": {"dropout": {"p": 0.3}, "batch_norm": {}},
}


def handed(epoch: int, size: int = 10) -> Handed:
    """With tensors of several types and shapes, some of which are no whole block of memory."""
    numbers = torch.arange(3 * size, dtype=torch.float32).view(size, 3) / 7
    tensors = {
        "rows.weights": numbers.T,
        "rows.sum": torch.full((size,), 1 / 3, dtype=torch.float64)[::2],
        "rows.epoch": torch.tensor(epoch),
        "finals.lost": torch.tensor([True, False, True]),
    }
    outcome = Outcome(last_finite_loss=0.1)
    position = Position(epoch=epoch, batch=0, steps=epoch * 7, members=[0], outcomes=[outcome])
    state = TrainingState(tensors, position)
    return Handed(epoch, [(epoch, {"train_loss": [0.5, None]})], None, state, 0.1)


@contextmanager
def beside(stores: Callable[[Handed], None]) -> Iterator[CheckpointWriter]:
    """A writer whose other end is a thread of this process: which has too many to be forked."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=checkpoint_writer._serve, args=(theirs, stores))
    thread.start()
    ours.settimeout(30)
    idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    writer = CheckpointWriter(ours, idle.pid)
    try:
        yield writer
    finally:
        writer.close()
        idle.wait()
        thread.join(30)
        theirs.close()


def test_what_is_handed_over_arrives_whole_whatever_its_size() -> None:
    arrived: list[tuple[Handed, dict[str, bytes]]] = []
    sent = [handed(n, size) for n, size in enumerate((10, 300_000, 100, 800_000, 0))]
    with beside(lambda what: arrived.append((what, dump_state(what.state)))) as writer:
        for each in sent:
            writer.submit(each)
            writer.wait()
        writer.wait()  # for nothing
    for (what, files), each in zip(arrived, sent, strict=True):
        assert files == dump_state(each.state)
        assert replace(what, state=each.state) == each


def test_it_says_whose_fault_it_is_and_goes_on() -> None:
    errors: list[Exception | None] = [
        UnavailableError("artefact store: full; try again"),
        StaleToken("token 1 is no longer current"),
        None,
    ]

    def fail(_: Handed) -> None:
        if (error := errors.pop(0)) is not None:
            raise error

    with beside(fail) as writer:
        writer.submit(handed(1))
        with pytest.raises(UnavailableError, match=r"^artefact store: full$"):
            writer.wait()
        writer.submit(handed(2))
        with pytest.raises(StaleToken, match="token 1"):
            writer.wait()
        writer.submit(handed(3))
        writer.wait()


def test_its_end_is_its_trainers_end() -> None:
    ours, theirs = socket.socketpair()
    writer = CheckpointWriter(ours, 2**22 + 1)
    writer.submit(handed(1))
    theirs.close()
    with pytest.raises(WriterLostError):
        writer.wait()
    with pytest.raises(WriterLostError):
        writer.submit(handed(2))
    writer.close()


class Training:
    """A job that is trained here, beside a writer."""

    def __init__(self, settings: ServiceSettings, database: Database, channel: Channel) -> None:
        self.settings = settings.model_copy(
            update={"checkpoint_seconds": 0.0, "threads": 1, "device": "cpu"}
        )
        self.database, self.channel = database, channel
        self.store = Artefacts(settings.artefacts_url)
        self.job = accepted(self.settings, database, **JOB)
        with database.write() as session:
            (row,) = jobs.fleets(session, self.job)
            self.lease: Lease = claimed(session, row.id)

    def run(self, writer: CheckpointWriter | None) -> str:
        patience = Patience(self.channel, lambda _: None)
        places = (self.settings, self.database, self.store, self.lease, self.channel, patience)
        return _train(*places, writer)

    def left(self) -> tuple[str | None, Any, list[int]]:
        """Hash, metrics, and epochs of the checkpoints."""
        with self.database.read() as session:
            (row,) = jobs.fleets(session, self.job)
            job = jobs.find_job(session, self.job)
            series = queries.series(session, jobs.trials(session, job))
            epochs = [each.epoch for each in jobs.checkpoints(session, self.job)]
        return row.result_sha256, list(series.values()), epochs


def test_a_fleet_ends_as_without_it(
    settings: ServiceSettings, database: Database, channel: Channel
) -> None:
    alone, helped = (Training(settings, database, channel) for _ in range(2))
    assert alone.run(None) == "succeeded"
    kept: list[int] = []

    def keep(what: Handed) -> None:
        store_checkpoint(database, helped.store, helped.lease, what)
        kept.append(what.epoch)

    with beside(keep) as writer:
        assert helped.run(writer) == "succeeded"
    assert kept == sorted(set(kept))
    assert kept[0] == 1
    assert helped.left()[:2] == alone.left()[:2]


def test_what_ends_while_one_is_under_way_is_stored_with_the_next(
    settings: ServiceSettings,
    database: Database,
    channel: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone, helped = (Training(settings, database, channel) for _ in range(2))
    assert alone.run(None) == "succeeded"
    kept: list[Handed] = []
    may_go_on = threading.Event()

    def linger(what: Handed) -> None:
        kept.append(what)
        assert may_go_on.wait(30)
        store_checkpoint(database, helped.store, helped.lease, what)

    with beside(linger) as writer:
        wait = writer.wait

        def wait_in_the_end() -> None:
            """The training goes on to its end, and waits there."""
            may_go_on.set()
            wait()

        monkeypatch.setattr(writer, "wait", wait_in_the_end)
        assert helped.run(writer) == "succeeded"
    assert [what.epoch for what in kept] == [1], "the others ended meanwhile"
    assert helped.left()[:2] == alone.left()[:2]


def test_epochs_that_it_could_not_store_are_stored_by_the_trainer(
    settings: ServiceSettings, database: Database, channel: Channel
) -> None:
    alone, helped = (Training(settings, database, channel) for _ in range(2))
    assert alone.run(None) == "succeeded"

    def refuse(_: Handed) -> None:
        raise UnavailableError("artefact store: full")

    with beside(refuse) as writer:
        assert helped.run(writer) == "succeeded"
    assert helped.left()[:2] == alone.left()[:2]


def test_a_stale_trainer_hears_of_it(
    settings: ServiceSettings, database: Database, channel: Channel
) -> None:
    taken = Training(settings, database, channel)

    def take(what: Handed) -> None:
        if what.epoch == 1:
            with database.write() as session:
                fleets.release(session, taken.lease)
        store_checkpoint(database, taken.store, taken.lease, what)

    with beside(take) as writer, pytest.raises(StaleToken):
        taken.run(writer)


@pytest.mark.slow
def test_a_process_of_its_own_stores_and_dies_with_its_trainer(
    settings: ServiceSettings, database: Database, channel: Channel
) -> None:
    training = Training(settings, database, channel)
    script = (
        "import json, sys\n"
        "from worker.runtime.checkpoint_writer import CheckpointWriter, Handed\n"
        "from worker.settings import ServiceSettings\n"
        "from worker.storage.fleets import Lease\n"
        "from worker.training import Position, TrainingState\n"
        "lease = Lease(**json.loads(sys.argv[1]))\n"
        "writer = CheckpointWriter.start(ServiceSettings(), lease, ())\n"
        "position = Position(epoch=1, batch=0, steps=1, members=[], outcomes=[])\n"
        "state = TrainingState({}, position)\n"
        "writer.submit(Handed(1, [(1, {'train_loss': [0.5]})], None, state, 0.1))\n"
        "writer.wait()\n"
        "print(writer._pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    lease = json.dumps(vars(training.lease))
    with subprocess.Popen(
        [sys.executable, "-c", script, lease],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **training.settings.environment()},
    ) as trainer:
        assert trainer.stdout is not None
        pid = int(trainer.stdout.readline())
        assert training.left()[2] == [1]
        descriptor = os.pidfd_open(pid)
        trainer.send_signal(signal.SIGKILL)
        trainer.wait()
        try:
            assert select.select([descriptor], [], [], 30)[0], "it outlives its trainer"
        finally:
            os.close(descriptor)
