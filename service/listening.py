"""What stands around a server: its port, its end by a signal, and what it says of itself.

Nothing here imports torch: a parent of several servers does without it.
"""

import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from worker.errors import UnavailableError

BACKLOG = 2048
"""Connections that wait to be accepted."""
GRACE_SECONDS = 5
"""Time that open requests are given to end when the service stops."""
EXAMPLE = (
    "curl {url}/v1/jobs{key} -H 'Content-Type: application/json' -H 'Prefer: wait=30' "
    '-d \'{{"dataset": {{"builtin": "circle"}}, "regularization": {{"dropout": {{"p": 0.2}}}}}}\''
)


def listen(host: str, port: int) -> socket.socket:
    """Take the port, before anything is started that would have to be stopped again.

    Raises ``UnavailableError`` when it is taken or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(BACKLOG)
    except OSError as error:
        taken.close()
        why = {
            errno.EADDRINUSE: "it is in use; choose another by --port, or 0 for any free one",
            errno.EACCES: "it needs privileges; choose one above 1023 by --port",
            errno.EADDRNOTAVAIL: "this machine has no such address; correct --host",
        }.get(error.errno or 0, str(error))
        if isinstance(error, socket.gaierror):
            why = f"no machine is known by that name ({error.strerror}); correct --host"
        raise UnavailableError(f"cannot listen on {host} port {port}: {why}") from error
    return taken


def url(listening: socket.socket) -> str:
    """The address that a browser on this machine uses."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


class Interruption(KeyboardInterrupt):
    """SIGINT or SIGTERM, whose ``number`` it has."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a quiet end of the block, so that its ``finally`` parts run.

    A terminal's Ctrl-C, ``kill`` and a container's stop then all end the same way.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interruption(number)

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def announcement(address: str, console: Console, *, needs_keys: bool) -> Callable[[], None]:
    """What is said once the service answers: where it is, and a first thing to try."""
    key = " -H 'Authorization: Bearer '$PARSIMONY_KEY" if needs_keys else ""

    def announce() -> None:
        console.print(f"\n  [bold]{address}/docs[/]\n", soft_wrap=True)
        console.print(EXAMPLE.format(url=address, key=key), soft_wrap=True, markup=False)
        console.print("\n  Ctrl-C stops it.", soft_wrap=True)

    return announce
