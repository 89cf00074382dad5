"""A trainer without torch, for tests of the supervisor: ``stand_in.py BEHAVIOUR PARENT SOCKET``."""

import os
import signal
import socket
import sys
from collections.abc import Callable

from tests.rows import RESULT, good
from worker.runtime.lifeline import die_with_parent
from worker.runtime.standby import Channel
from worker.runtime.trainer import serve
from worker.settings import ServiceSettings
from worker.storage import fleets
from worker.storage.database import Database
from worker.storage.fleets import Lease, StaleToken
from worker.storage.tables import Fleet


def finish(channel: Channel, database: Database, lease: Lease) -> None:
    channel.say("loaded")
    channel.say("steps", steps=3)
    with database.write() as session:
        fleets.finish(session, lease, [good()], RESULT)
    channel.say("ended", outcome="succeeded")


def finish_slowly(channel: Channel, database: Database, lease: Lease) -> None:
    """Says that it has ended only after heartbeats have found its fleet ended."""
    with database.write() as session:
        fleets.finish(session, lease, [good()], RESULT)
    signal.sigtimedwait([], 0.5)
    channel.say("ended", outcome="said at last")


def die(channel: Channel, database: Database, lease: Lease) -> None:
    channel.say("steps", steps=1)
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(channel: Channel, database: Database, lease: Lease) -> None:
    (die if lease.attempt == 1 else finish)(channel, database, lease)


def report(channel: Channel, database: Database, lease: Lease) -> None:
    channel.say("crashed", reason="OSError: no space left")
    os._exit(1)


def hang(channel: Channel, database: Database, lease: Lease) -> None:
    channel.say("steps", steps=1)
    signal.pause()


def obey(channel: Channel, database: Database, lease: Lease) -> None:
    """Works until it is asked to stop, and then does what was asked."""
    steps = 0
    while channel.stop_reason is None:
        steps += 1
        channel.say("steps", steps=steps)
        signal.sigtimedwait([], 0.01)
    try:
        with database.write() as session:
            (fleets.cancel if channel.stop_reason == "cancel" else fleets.release)(session, lease)
        channel.say("ended", outcome=channel.stop_reason)
    except StaleToken:
        channel.say("ended", outcome="stale")


def obey_unless_small(channel: Channel, database: Database, lease: Lease) -> None:
    """Works for ever, unless its fleet has but one epoch."""
    with database.read() as session:
        is_small = session.get_one(Fleet, lease.fleet_id).epochs == 1
    (finish if is_small else obey)(channel, database, lease)


def wait_once(channel: Channel, database: Database, lease: Lease) -> None:
    """Waits for its place, longer than a trainer may make no step, until its job says so."""
    channel.say("waiting", **{"for": "artefact store: read-only file system", "seconds": 60.0})
    while True:
        with database.read() as session:
            if session.get_one(Fleet, lease.fleet_id).waiting_for:
                break
        signal.sigtimedwait([], 0.02)
    signal.sigtimedwait([], 0.5)
    channel.say("going_on")
    finish(channel, database, lease)


def be_displaced(channel: Channel, database: Database, lease: Lease) -> None:
    """Its place ends it in each attempt but the last."""
    if lease.attempt > 5:
        finish(channel, database, lease)
        return
    channel.say("displaced", reason="the host: no space left on device")
    os._exit(1)


def lose_standby_once(channel: Channel, database: Database, lease: Lease) -> None:
    """Its standby is killed, and takes it along."""
    if lease.attempt > 1:
        finish(channel, database, lease)
        return
    channel.say("steps", steps=1)
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()


def freeze_in_a_transaction(channel: Channel, database: Database, lease: Lease) -> None:
    """The first time; then it finishes."""
    if lease.attempt == 1:
        channel.say("steps", steps=1)
        with database.write() as session:
            fleets.hold(session, lease)
            os.kill(os.getpid(), signal.SIGSTOP)
    finish(channel, database, lease)


BEHAVIOURS: dict[str, Callable[[Channel, Database, Lease], None]] = {
    each.__name__: each
    for each in (
        *(finish, finish_slowly, die, die_once, report, hang, obey, obey_unless_small),
        *(wait_once, be_displaced, lose_standby_once, freeze_in_a_transaction),
    )
}


def main() -> None:
    behaviour, parent, control = BEHAVIOURS[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])
    die_with_parent(parent)

    def work(channel: Channel) -> int:
        lease = channel.lease()
        if lease is not None:
            channel.listen()
            behaviour(channel, Database(ServiceSettings().database_url), lease)
        return 0

    serve(socket.socket(fileno=control), work)


if __name__ == "__main__":
    main()
