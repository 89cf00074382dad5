"""A job's events as text/event-stream, to one watcher."""

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.live.feed import Feed
from service.live.feeds import Feeds

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
"""A line without meaning after so much silence: proxies close what is silent."""
RETRY = b"retry: 1000\n\n"
"""After how many milliseconds a browser comes back."""
HEADERS = {"Vary": "Accept", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def wants_events(accept: str | None) -> bool:
    """Whether the header Accept asks for a stream: it names it, and JSON not before it."""
    for entry in (accept or "").split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        if "q=0" in parameters or "q=0.0" in parameters:
            continue
        if kind in ("application/json", MEDIA_TYPE):
            return kind == MEDIA_TYPE
    return False


class EventStream(StreamingResponse):
    """The answer to one watcher, which gives the feed back however it ends.

    Args:
        feeds: what the feed is of.
        feed: of the job, joined.
        after: the last line of the log that the watcher has.
    """

    def __init__(self, feeds: Feeds, feed: Feed, after: int) -> None:
        super().__init__(_watch(feeds, feed, after), media_type=MEDIA_TYPE, headers=HEADERS)
        self._feeds, self._feed = feeds, feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the job has ended, the watcher leaves, or the service stops."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feeds.leave(self._feed)


async def _watch(feeds: Feeds, feed: Feed, after: int) -> AsyncIterator[bytes]:
    yield RETRY
    while feed.missing(after):
        lines = await feeds.lines(feed, after, feed.last_line)
        if not lines:
            break
        yield b"".join(line.frame for line in lines)
        after = lines[-1].id
    position = feed.position
    yield feed.greeting(after)
    while True:
        frames = feed.since(position)
        if frames is None:
            return  # too slow: it comes back with the last event that it has
        if frames:
            position = feed.position
            yield frames
        elif feed.ended or feeds.stopping:
            return
        elif not await feed.change(HEARTBEAT_SECONDS):
            yield b":\n\n"
