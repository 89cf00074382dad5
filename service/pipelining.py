"""Requests that wait on one connection for the answer to an earlier one, when its client leaves."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class PipeliningProtocol(HttpToolsProtocol):
    """Tells the request that is being answered that its client has left.

    uvicorn tells ``cycle``, the newest request, which may wait behind others. The one at work wrote
    to a closed connection then: an error, with two tracebacks in the log, for as many connections
    as somebody liked to open and close. Those that wait behind it are given up.
    """

    _answering: RequestResponseCycle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        answering = self._answering
        if answering is not None and not answering.response_complete:
            answering.disconnected = True
            answering.message_event.set()
        self._answering = None
        self.pipeline.clear()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)
