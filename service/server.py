"""The HTTP server of one process: uvicorn on a socket that is open already."""

import gc
import socket
import sys
from collections.abc import Callable

import uvicorn

from service.app import create_app
from service.connections import Config
from service.listening import GRACE_SECONDS
from worker.errors import UnavailableError
from worker.settings import ServiceSettings

GARBAGE = (10_000, 20, 20)
"""Objects, and rounds, after which garbage is collected. By default a body of 14 MB was looked
through so often while it was read that the event loop waited for 0.1 s at a time."""
SWITCH_SECONDS = 0.001
"""Time after which a thread that computes lets another one go on, the event loop for example; by
default 5 ms. Beside two threads at work, /livez then waits 20 ms and not 50."""


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
