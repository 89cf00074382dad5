"""Trainer processes: a standby that has torch in memory, and a fork of it for each fleet.

Started by a supervisor as ``python -m worker.runtime.trainer PARENT SOCKET``; ends with it. The
standby computes nothing, starts no thread and touches no GPU, so that forking it is safe.
"""

import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import orjson

from worker.errors import ParsimonyError
from worker.logs import about_process, configure_logs
from worker.results import JobError
from worker.runtime.checkpoint_writer import CheckpointWriter, WriterLostError
from worker.runtime.collector import clear
from worker.runtime.lifeline import die_with_parent
from worker.runtime.patience import Interrupted, Patience
from worker.runtime.standby import Channel
from worker.settings import ServiceSettings
from worker.storage import fleets, queries
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database, without_sql
from worker.storage.faults import in_words, is_collision, place_fault, reason_of
from worker.storage.fleets import Lease, StaleToken
from worker.storage.limits import TRAINER
from worker.storage.states import TERMINAL, Kind

logger = logging.getLogger(__name__)


def main() -> None:
    """Import torch, then fork a trainer at each request, until the supervisor is gone."""
    parent, control = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    settings = ServiceSettings()
    configure_logs(settings)
    _import_torch(settings.threads)
    # What is in memory now is shared with the trainers: their collectors need not copy it.
    gc.freeze()
    serve(socket.socket(fileno=control), lambda channel: train(settings, channel))


def serve(control: socket.socket, work: Callable[[Channel], int]) -> None:
    """Fork for each request, a byte with two descriptors; say the child's pid, with a handle on it,
    then its status.
    """
    _say(control, ready=True)
    me = os.getpid()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            _be_trainer(me, control, work, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        # Opened before the child is waited for, so that it is the child's and nobody else's.
        handle = _handle_of(pid)
        _say(control, handle, pid=pid)
        if handle is not None:
            os.close(handle)
        _, status = os.waitpid(pid, 0)
        _say(control, status=os.waitstatus_to_exitcode(status))


def _handle_of(pid: int) -> int | None:
    """The pidfd of a process; none where the system has no such thing."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _be_trainer(
    parent: int, control: socket.socket, work: Callable[[Channel], int], descriptors: list[int]
) -> NoReturn:
    status = 1
    try:
        control.close()
        os.setsid()
        die_with_parent(parent)
        status = work(Channel(*descriptors))
    except BaseException:
        logger.exception("the trainer ends")
    finally:
        sys.stderr.flush()
        # All is written and told. Taking torch apart would only keep the next fleet waiting.
        os._exit(status)


def _say(control: socket.socket, descriptor: int | None = None, **what: object) -> None:
    line = orjson.dumps(what) + b"\n"
    if descriptor is None:
        control.sendall(line)
    else:
        socket.send_fds(control, [line], [descriptor])  # a line of few bytes goes as a whole


def train(settings: ServiceSettings, channel: Channel) -> int:
    """Wait for a fleet and train it: 0 when its rows say how it ended, else 1."""
    lease = channel.lease()
    if lease is None:
        return 0
    about_process(job=lease.job_id, fleet=lease.fleet_id)
    # Forked while this process has one thread, and no connection.
    writer = CheckpointWriter.start(settings, lease, channel.descriptors)
    try:
        return _work(settings, channel, lease, writer)
    except WriterLostError as error:
        channel.say("crashed", reason=str(error))
        return 1
    finally:
        if writer is not None:
            writer.close()


def _work(
    settings: ServiceSettings, channel: Channel, lease: Lease, writer: CheckpointWriter | None
) -> int:
    channel.listen()
    patience = Patience(channel)
    try:
        database = Database(settings.database_url, TRAINER)
        artefacts = Artefacts(settings.artefacts_url)
    except Exception as error:
        # A host that lacks a driver, or is set up for another place.
        logger.exception("the trainer cannot work here")
        channel.say("displaced", reason=f"the host: {in_words(error)}")
        return 1
    try:
        outcome = _train(settings, database, artefacts, lease, channel, patience, writer)
        channel.say("ended", outcome=outcome)
    except StaleToken:
        channel.say("ended", outcome="stale")
        return 0
    except Interrupted:
        # Asked to stop before it knew what it had: nothing is lost.
        channel.say("displaced", reason="its worker stops")
        return 1
    except Exception as error:
        logger.exception("the trainer crashed")
        fault = place_fault(error)
        if fault is None:
            channel.say("crashed", reason=without_sql(error))
        else:
            channel.say("displaced", reason=reason_of(fault))
        return 1
    if outcome in TERMINAL:
        # After it was told: a supervisor that finds the fleet ended ends a trainer that is silent.
        with suppress(OSError, ParsimonyError):  # what is missed here, the collector finds
            clear(database, artefacts, lease)
    return 0


def _import_torch(threads: int) -> None:
    # Imported ahead of need.
    import worker.runtime.batch_prediction
    import worker.runtime.fleet_training  # noqa: F401
    from worker.training import compute_exactly, tune_processor

    tune_processor(threads)
    compute_exactly()


def _train(
    settings: ServiceSettings,
    database: Database,
    artefacts: Artefacts,
    lease: Lease,
    channel: Channel,
    patience: Patience,
    writer: CheckpointWriter | None = None,
) -> str:
    from worker.jobs import is_out_of_memory
    from worker.runtime.batch_prediction import BatchPrediction
    from worker.runtime.fleet_training import FleetTraining

    def predicts() -> bool:
        with database.read() as session:
            return queries.kind_of(session, lease.job_id) == Kind.PREDICTION

    places = (settings, database, artefacts, lease, channel, patience)
    training: BatchPrediction | FleetTraining
    if patience.insist(predicts):
        training = BatchPrediction(*places)
    else:
        training = FleetTraining(*places, writer)
    try:
        return training.run()
    except (ParsimonyError, Interrupted):
        raise
    except Exception as error:
        lacking = is_out_of_memory(error)
        if not lacking and (place_fault(error) is not None or is_collision(error)):
            raise
        logger.exception("the fleet cannot be trained")
        # The frames hold the tensors of the fleet, and there is no memory beside them.
        failure = error.with_traceback(None)
    if lacking and training.loaded:

        def split() -> bool:
            with database.write() as session:
                return fleets.split(session, lease)

        if patience.insist(split, stoppable=False):
            return "split"
    # The same fleet would end the same way again. It fails, and says why.
    return training.fail(_error(failure, training.remedy if lacking else None))


def _error(error: Exception, remedy: str | None) -> JobError:
    if remedy is not None:
        return JobError(
            code="out_of_memory",
            message=f"the fleet needs more memory than there is: {error}; {remedy}",
        )
    return JobError(
        code="internal_error",
        message=f"the work stopped with {without_sql(error)}; "
        "this is a defect of the service, please report it",
    )


if __name__ == "__main__":
    main()
