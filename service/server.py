"""What the commands start: the HTTP server in the foreground, alone or with everything it needs.

A socket first, then uvicorn on it, then the announcement.
"""

import errno
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from rich.console import Console

from service.app import create_app
from service.connections import Config
from worker.errors import UnavailableError
from worker.runtime.processes import Processes
from worker.settings import ServiceSettings

BACKLOG = 2048
GRACE_SECONDS = 5
"""Time that open requests are given to end when the service stops."""
GARBAGE = (10_000, 20, 20)
"""Objects, and rounds, after which garbage is collected. By default a body of 14 MB was looked
through so often while it was read that the event loop waited for 0.1 s at a time."""
SWITCH_SECONDS = 0.001
"""Time after which a thread that computes lets another one go on, the event loop for example; by
default 5 ms. Beside two threads at work, /livez then waits 20 ms and not 50."""
EXAMPLE = (
    "curl {url}/v1/jobs -H 'Content-Type: application/json' -H 'Prefer: wait=30' "
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
        raise UnavailableError(f"cannot listen on {host} port {port}: {why}") from error
    return taken


def url(listening: socket.socket) -> str:
    """The address that a browser on this machine uses."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn on an open socket, saying once that it answers."""

    def __init__(self, settings: ServiceSettings, announce: Callable[[], None]) -> None:
        level = settings.log_level
        super().__init__(
            Config(
                create_app(settings),
                settings,
                log_level=level if level in {"debug", "error"} else "warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        await super().startup(sockets)
        # What has been imported stays. Looked through again, now and then, it made a request wait
        # for 0.2 s.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE)
        sys.setswitchinterval(SWITCH_SECONDS)
        if not self.should_exit:
            self._announce()

    def serve_on(self, listening: socket.socket) -> None:
        """Answer until SIGINT or SIGTERM; raises ``UnavailableError`` if the start failed."""
        self.run(sockets=[listening])
        if not self.started:
            raise UnavailableError("the HTTP service could not start; the lines above say why")


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a quiet end of the block, so that its ``finally`` parts run.

    A terminal's Ctrl-C, ``kill`` and a container's stop then all end the same way.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

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


def run_everything(settings: ServiceSettings, console: Console) -> None:
    """Redis and the worker as children, the HTTP service here, until Ctrl-C."""
    with until_interrupted(), listen(settings.host, settings.port) as listening:
        console.print(f"[dim]starting; state is kept in {settings.state}[/]", soft_wrap=True)
        with Processes(settings):
            announce = announcement(url(listening), console)
            Server(settings, announce).serve_on(listening)


def run_api(settings: ServiceSettings, console: Console) -> None:
    """The HTTP service alone."""
    with until_interrupted(), listen(settings.host, settings.port) as listening:
        announce = announcement(url(listening), console)
        Server(settings, announce).serve_on(listening)


def announcement(address: str, console: Console) -> Callable[[], None]:
    """What is said once the service answers: where it is, and a first thing to try."""

    def announce() -> None:
        console.print(f"\n  [bold]{address}/docs[/]\n", soft_wrap=True)
        console.print(EXAMPLE.format(url=address), soft_wrap=True, markup=False)
        console.print("\n  Ctrl-C stops it.", soft_wrap=True)

    return announce
