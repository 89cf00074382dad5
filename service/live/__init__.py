"""A running job as a stream of events (docs/decisions/0039).

``stream``  events as `text/event-stream`, to one watcher
``feed``    what all watchers of a job share
``feeds``   one reader for all jobs that are watched in this process
``news``    what is new, read from the database
``curves``  learning curves of a size that does not grow with the number of trials
"""

from service.live.feed import Feed, LoggedLine
from service.live.feeds import Feeds
from service.live.stream import EventStream, wants_events

__all__ = ["EventStream", "Feed", "Feeds", "LoggedLine", "wants_events"]
