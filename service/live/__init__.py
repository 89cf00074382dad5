"""What watchers of a job are sent while it goes on (docs/decisions/0039)."""

from service.live.feed import Feed, LoggedLine
from service.live.feeds import Feeds
from service.live.stream import EventStream, wants_events

__all__ = ["EventStream", "Feed", "Feeds", "LoggedLine", "wants_events"]
