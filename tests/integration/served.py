"""A server on a socket of this machine, in a thread of the tests' own process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from service.app import create_app
from service.connections import Config
from service.listening import listen, url
from service.serving.connection import ExpressProtocol
from tests.waiting import until
from worker.settings import ServiceSettings


@contextmanager
def serving(settings: ServiceSettings) -> Iterator[str]:
    """Run it on a free port; its URL."""
    with listen("127.0.0.1", 0) as listening:
        config = Config(create_app(settings), settings, http=ExpressProtocol, log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started)
            yield url(listening)
        finally:
            server.should_exit = True
            thread.join()
