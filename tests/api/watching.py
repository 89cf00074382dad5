"""Watchers of a job's events, against the application in this process."""

import asyncio
import json
from concurrent.futures import Future
from typing import Any

from starlette.types import Message

from tests.api.client import Client
from tests.waiting import until


class Watcher:
    """Reads a stream of events as they come; at most ``most`` pieces of the answer, if given."""

    def __init__(
        self, client: Client, job_id: str, *, last: int | None = None, most: int | None = None
    ) -> None:
        self._client = client
        self.status = 0
        self.headers: dict[str, str] = {}
        self._text = b""
        self._pieces = 0
        self._most = most
        self._leave = client.portal.call(asyncio.Event)
        self._go_on = client.portal.call(asyncio.Event)
        headers = [(b"accept", b"text/event-stream"), (b"host", b"localhost")]
        if last is not None:
            headers.append((b"last-event-id", str(last).encode()))
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/v1/jobs/{job_id}/events",
            "raw_path": f"/v1/jobs/{job_id}/events".encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
            "state": {},
        }
        self._begun = False
        self._done: Future[Any] = client.portal.start_task_soon(self._run)

    async def _run(self) -> None:
        await self._client.app(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._begun:
            self._begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            return
        self._text += message.get("body", b"")
        self._pieces += 1
        if self._most is not None and self._pieces >= self._most:
            await self._go_on.wait()

    @property
    def events(self) -> list[tuple[str, Any, int | None]]:
        """What came so far: type, body, id."""
        found = []
        for block in self._text.decode().split("\n\n")[:-1]:
            lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if "data" in lines:
                number = int(lines["id"]) if "id" in lines else None
                found.append((lines["event"], json.loads(lines["data"]), number))
        return found

    def of(self, kind: str) -> list[Any]:
        """The bodies of one type."""
        return [body for event, body, _ in self.events if event == kind]

    @property
    def ids(self) -> list[int]:
        """The ids, in the order in which they came."""
        return [number for *_, number in self.events if number is not None]

    def wait_for(self, kind: str) -> None:
        """Until there is an event of a type."""
        until(lambda: self.of(kind))

    def ended(self) -> None:
        """Until the answer is over."""
        self._done.result(60)

    def leave(self) -> None:
        """Go away, as a browser does that is closed."""
        self._client.portal.call(self._leave.set)
        self.ended()

    def go_on(self) -> None:
        """Read again."""
        self._most = None
        self._client.portal.call(self._go_on.set)
