"""The HTTP server of one process: uvicorn on a socket that is open already."""

import asyncio
import gc
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import cast

import uvicorn

from service.app import create_app
from service.connections import Config
from service.fair_listener import CountedConnections, FairListener, Loads
from service.listening import GRACE_SECONDS
from service.serving.connection import ExpressProtocol
from service.telemetry.board import Board
from worker.errors import UnavailableError
from worker.settings import ServiceSettings

GARBAGE = (10_000, 20, 20)
"""Objects, and rounds, after which garbage is collected. By default a body of 14 MB was looked
through so often while it was read that the event loop waited for 0.1 s at a time."""
SWITCH_SECONDS = 0.0002
"""Time after which a thread that computes lets another one go on, the event loop for example; by
default 5 ms. Beside two threads at work, /livez then waits 20 ms and not 50."""


class Server(uvicorn.Server):
    """uvicorn on an open socket, saying once that it answers.

    SIGTERM has it say that it is not ready, and answer for ``drain_seconds`` yet, each connection
    once, and let nobody wait. Then, or at SIGINT, it takes no more connections, answers what it has
    begun, and ends.

    Args:
        settings: of the service.
        announce: called once it answers.
        on_stop: called in a thread of its own once it is told to stop.
        sharing: where other processes listen on the same socket, their loads, and which of them
            this one is.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        announce: Callable[[], None],
        sharing: tuple[Loads, int] | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        level = settings.log_level
        self._application = create_app(settings, _board(sharing, settings.processes))
        super().__init__(
            Config(
                self._application,
                settings,
                http=ExpressProtocol,
                log_level=level if level in {"debug", "error"} else "warning",
                log_config=None,  # worker/logs.py has done it
                access_log=False,  # service/telemetry/requests.py has one
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._announce = announce
        self._sharing = sharing
        self._on_stop = on_stop
        self._drain_seconds = settings.drain_seconds
        self._stop_at: float | None = None
        """When it takes no more connections, once it is told to stop."""
        self._has_begun_to_stop = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        if self._sharing is None or sockets is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            self._share(sockets, *self._sharing)
        # What has been imported stays. Looked through again, now and then, it made a request wait
        # for 0.2 s.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE)
        sys.setswitchinterval(SWITCH_SECONDS)
        if not self.should_exit:
            self._announce()

    def _share(self, sockets: list[socket.socket], loads: Loads, process: int) -> None:
        """Take connections as uvicorn does, but no more than this process's part."""
        connections = CountedConnections(partial(loads.set, process))
        loads.set(process, 0)
        self.server_state.connections = connections
        protocol = partial(ExpressProtocol, self.config, self.server_state, self.lifespan.state)
        for each in sockets:
            listener = FairListener(each, protocol, connections, loads)
            self.servers.append(cast(asyncio.base_events.Server, listener))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop at a first signal, stop at a second, let nothing be finished at a third."""
        self._captured_signals.append(sig)
        self.force_exit |= self.should_exit and sig == signal.SIGINT
        if self._stop_at is None:
            seconds = self._drain_seconds if self.started and sig == signal.SIGTERM else 0.0
            self._stop_at = time.monotonic() + seconds
            self.should_exit = not seconds
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Do what is due, ten times a second; whether to stop."""
        if self._stop_at is not None:
            if not self._has_begun_to_stop:
                self._begin_to_stop()
            if time.monotonic() >= self._stop_at:
                self.should_exit = True
        return await super().on_tick(counter)

    def _begin_to_stop(self) -> None:
        self._has_begun_to_stop = True
        self._application.begin_to_stop()
        for connection in list(self.server_state.connections):
            assert isinstance(connection, ExpressProtocol)
            connection.answer_last()
        if self._on_stop is not None:
            threading.Thread(target=self._on_stop, name="stopping", daemon=True).start()

    def serve_on(self, listening: socket.socket) -> None:
        """Answer until SIGINT or SIGTERM; raises ``UnavailableError`` if the start failed."""
        self.run(sockets=[listening])
        if not self.started:
            raise UnavailableError("the HTTP service could not start; the lines above say why")


def _board(sharing: tuple[Loads, int] | None, count: int) -> Board:
    if sharing is None:
        return Board()
    loads, number = sharing
    return Board(number, count, loads.descriptor)
