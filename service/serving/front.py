"""The front: an ASGI callable before the application, for the requests whose pace matters.

What it does not know, or a door gives back, the application behind it answers, as if the front were
not there.
"""

import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.body_limit import JSON_BYTES
from service.serving.doors.exchange import Call, Door, Reply

Routes = Sequence[tuple[re.Pattern[str], Door]]
"""Paths of POST requests, and the doors that answer them."""


class Front:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, routes: Routes) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] == "http" and scope["method"] == "POST":
            for path, door in self._routes:
                match = path.fullmatch(scope["path"])
                if match:
                    await self._answer(door, match.groupdict(), scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(
        self, door: Door, path: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        messages: list[Message] = []
        size = 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body"):
                break
            if size > JSON_BYTES:  # The application says so.
                await self._app(scope, _replayed(messages, receive), send)
                return
        body = b"".join(message.get("body", b"") for message in messages)
        gone = scope.get("extensions", {}).get("parsimony.gone", _never)
        call = Call(path, scope["query_string"], scope["headers"], body, gone)
        reply = await door(call) if messages[-1]["type"] == "http.request" else None
        if reply is None:
            await self._app(scope, _replayed(messages, receive), send)
            return
        await _send(reply, send)


async def _send(reply: Reply, send: Send) -> None:
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _never() -> bool:
    return False


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    """What was read already, then the rest."""
    waiting = iter(messages)

    async def replay() -> Message:
        for message in waiting:
            return message
        return await receive()

    return replay
