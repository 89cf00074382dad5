"""The HTTP server of one process: uvicorn on a socket that is open already."""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable
from functools import partial
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

    Args:
        settings: of the service.
        announce: called once it answers.
        sharing: where other processes listen on the same socket, their loads, and which of them
            this one is.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        announce: Callable[[], None],
        sharing: tuple[Loads, int] | None = None,
    ) -> None:
        level = settings.log_level
        super().__init__(
            Config(
                create_app(settings, _board(sharing, settings.processes)),
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
