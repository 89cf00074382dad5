"""Sending calls: when one is sent again, and who carries it, in a thread or in an event loop."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypedDict

import httpx

from parsimony.calls import Answer, Call, Result, Talk
from parsimony.errors import ParsimonyError, UnreachableError, refusal
from parsimony.following import MEDIA_TYPE, SILENCE_SECONDS

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which a request may be answered another time."""
NOT_BEGUN = frozenset({408, 429, 503})
"""Those of them that say that nothing was done."""
LONGEST_PAUSE = 60.0
"""Of a service that asks for more, the answer is passed on."""


class Streaming(TypedDict):
    """Arguments of a request for a stream."""

    headers: dict[str, str]
    timeout: httpx.Timeout


Outcome = httpx.Response | httpx.TransportError


@dataclass(frozen=True)
class Retries:
    """When a call is sent again: 0.5 s after the first time, then twice as long each time.

    Attributes:
        most: how often at most; 0 for never.
        first, longest: seconds of the first pause and of any.
        chance: between 0 and 1, so that many clients do not come back at once.
    """

    most: int = 4
    first: float = 0.5
    longest: float = 8.0
    chance: Callable[[], float] = random.random

    def pause(self, call: Call[Answer], outcome: Outcome, attempt: int) -> float | None:
        """Seconds until the call is sent again; none where it is not.

        What the service says goes first: ``x-should-retry`` whether, ``Retry-After`` when.
        """
        if attempt >= self.most:
            return None
        usual = min(self.first * 2.0**attempt, self.longest) * (0.75 + 0.25 * self.chance())
        if isinstance(outcome, httpx.TransportError):
            unsent = isinstance(outcome, (httpx.ConnectError, httpx.ConnectTimeout))
            return usual if unsent or call.repeatable else None
        advised = outcome.headers.get("x-should-retry", "").lower()
        known = NOT_BEGUN if not call.repeatable else AGAIN
        if advised == "false" or (advised != "true" and outcome.status_code not in known):
            return None
        wanted = retry_after(outcome)
        if wanted is None:
            return usual
        return wanted if wanted <= LONGEST_PAUSE else None


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the service asks to wait: a number, or a time of day."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


@dataclass(frozen=True)
class Address:
    """Where the service is, and how it is spoken to."""

    url: str
    key: str | None
    timeout: float
    retries: Retries

    def headers(self) -> dict[str, str]:
        """Headers that each request has."""
        own = {"User-Agent": "parsimony-python", "Accept": "*/*"}
        return own if self.key is None else {**own, "Authorization": f"Bearer {self.key}"}

    def streaming(self) -> Streaming:
        """How a stream of events is asked for."""
        timeout = httpx.Timeout(self.timeout, read=SILENCE_SECONDS)
        return {"headers": {"Accept": MEDIA_TYPE}, "timeout": timeout}

    def result(self, call: Call[Answer], outcome: Outcome) -> Answer:
        """What a call came to; raises the error that it is."""
        if isinstance(outcome, httpx.TransportError):
            # Three tracebacks of sockets say no more than its message; it keeps its cause.
            raise UnreachableError(self.url, outcome) from None
        if not outcome.is_success:
            raise refusal(outcome)
        return call.read(outcome)


def is_stream(response: httpx.Response) -> bool:
    """Whether an answer is a stream of events."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    return response.is_success and kind == MEDIA_TYPE


class Connection:
    """Carries calls and talks, in the thread that asks."""

    def __init__(self, address: Address, transport: httpx.BaseTransport | None = None) -> None:
        self.address = address
        self._http = httpx.Client(
            base_url=address.url,
            headers=address.headers(),
            timeout=address.timeout,
            transport=transport,
        )

    def close(self) -> None:
        """Close what is open."""
        self._http.close()

    def send(self, call: Call[Answer]) -> Answer:
        """Send a call, again where that may help; what it came to."""
        attempt = 0
        while True:
            outcome = self._outcome(call)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return self.address.result(call, outcome)
            pause = self.address.retries.pause(call, outcome, attempt)
            if pause is None:
                return self.address.result(call, outcome)
            time.sleep(pause)
            attempt += 1

    @contextmanager
    def lines(self, path: str) -> Iterator[Iterator[str]]:
        """The lines of a stream of events.

        Raises ``httpx.TransportError`` where there is none, or it breaks or falls silent.
        """
        with self._http.stream("GET", path, **self.address.streaming()) as response:
            if not is_stream(response):
                raise httpx.ReadError("no stream of events")
            yield response.iter_lines()

    def _outcome(self, call: Call[Answer]) -> Outcome:
        try:
            return self._http.send(call.request(self._http, self.address.timeout))
        except httpx.TransportError as error:
            return error

    def carry(self, talk: Talk[Result]) -> Result:
        """Send what a talk asks for, until it has what it wants."""
        try:
            call = next(talk)
            while True:
                try:
                    answer = self.send(call)
                except ParsimonyError as error:
                    call = talk.throw(error)
                else:
                    call = talk.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result


class AsyncConnection:
    """Carries calls and talks in an event loop."""

    def __init__(self, address: Address, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.address = address
        self._http = httpx.AsyncClient(
            base_url=address.url,
            headers=address.headers(),
            timeout=address.timeout,
            transport=transport,
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._http.aclose()

    async def send(self, call: Call[Answer]) -> Answer:
        """Send a call, again where that may help; what it came to."""
        attempt = 0
        while True:
            outcome = await self._outcome(call)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return self.address.result(call, outcome)
            pause = self.address.retries.pause(call, outcome, attempt)
            if pause is None:
                return self.address.result(call, outcome)
            await asyncio.sleep(pause)
            attempt += 1

    @asynccontextmanager
    async def lines(self, path: str) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of a stream of events, as ``Connection.lines``."""
        async with self._http.stream("GET", path, **self.address.streaming()) as response:
            if not is_stream(response):
                raise httpx.ReadError("no stream of events")
            yield response.aiter_lines()

    async def _outcome(self, call: Call[Answer]) -> Outcome:
        try:
            return await self._http.send(call.request(self._http, self.address.timeout))
        except httpx.TransportError as error:
            return error

    async def carry(self, talk: Talk[Result]) -> Result:
        """Send what a talk asks for, until it has what it wants."""
        try:
            call = next(talk)
            while True:
                try:
                    answer = await self.send(call)
                except ParsimonyError as error:
                    call = talk.throw(error)
                else:
                    call = talk.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result
