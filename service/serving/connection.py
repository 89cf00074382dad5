"""Connections that ask the express before the application."""

from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from service.connections import BoundedProtocol, Part
from service.serving.express import Express
from service.serving.residents import Resident

_BODY = Part.BODY


class ExpressProtocol(BoundedProtocol):
    """One connection. What the express takes gets no task: it is read when its body is here."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._express: Express = config.app.express  # type: ignore[union-attr]
        self._held: tuple[RequestResponseCycle, Resident] | None = None
        """A request that the express may take once its body is here."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer by the application, or wait for the body of what the express may take."""
        if self._express.is_stopping:
            cycle.keep_alive = False
        if cycle is self.cycle and self._part is _BODY and app is self._application:
            resident = self._express.resident(cycle.scope)
            if resident is not None:
                # One after which the connection is closed is refused once its body is here: closed
                # before, the connection would be reset, and the answer perhaps not seen.
                if not (cycle.keep_alive and self._express.refuses(self, cycle, resident)):
                    self._held = cycle, resident
                    self._answering = cycle
                return
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """Have the express answer, and the application what that does not take."""
        held, self._held = self._held, None
        super().on_message_complete()
        if held is not None and not held[0].disconnected:
            cycle, resident = held
            if not self._express.begin(self, cycle, resident):
                self.give_back(cycle)

    def answer_last(self) -> None:
        """Close after the request that is being answered. Who waits for none is left alone: one may
        be on its way. See also ``Express.is_stopping``.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def reply(
        self, exchange: RequestResponseCycle, head: bytes, body: bytes, status: int = 200
    ) -> None:
        """Write a whole answer at once: further lines of its head, and its body."""
        if exchange.disconnected:
            return
        parts = [STATUS_LINE[status]]
        for name, value in exchange.default_headers:
            parts += (name, b": ", value, b"\r\n")
        parts += (head, b"content-length: %d\r\n" % len(body))
        parts.append(b"\r\n" if exchange.keep_alive else b"connection: close\r\n\r\n")
        parts.append(body)
        self.transport.write(b"".join(parts))
        exchange.response_started = exchange.response_complete = True
        if not exchange.keep_alive:
            self.transport.close()
        exchange.on_response()
        exchange.on_response = _nothing  # as after an application: it refers to this connection

    def answer_by(self, exchange: RequestResponseCycle, app: ASGIApp) -> None:
        """Have an ASGI application answer."""
        super()._start_asgi_task(exchange, app)

    def give_back(self, exchange: RequestResponseCycle) -> None:
        """Have the application answer what is not plain after all."""
        super()._start_asgi_task(exchange, self._application)


def _nothing() -> None:
    pass
