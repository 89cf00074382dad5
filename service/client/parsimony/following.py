"""A job as its stream of events tells it, line by line: what both clients make of it."""

import json
from collections.abc import Iterator
from typing import cast

from parsimony.answers import JobData

MEDIA_TYPE = "text/event-stream"
SILENCE_SECONDS = 50.0
"""After so much silence the stream is dead: the service writes a comment every 15 seconds."""
KEPT = frozenset({"best", "error"})
"""Members that an event has in short only; what was read of them stays until the job is read."""


class Followed:
    """How a job is, by what its stream has told so far.

    Attributes:
        data: the job as it was read, with what has moved since.
        ended: whether the stream has said that nothing follows.
    """

    def __init__(self, data: JobData) -> None:
        self.data, self.ended = data, False
        self._event = ""

    def read(self, line: str) -> bool:
        """Take a line; whether it brought news of the job."""
        name, _, value = line.partition(": ")
        if name == "event":
            self._event = value
            self.ended |= value == "end"
        elif name == "data" and self._event == "job":
            now = json.loads(value)
            moved = {k: v for k, v in now.items() if k in self.data and k not in KEPT}
            self.data = cast(JobData, {**self.data, **moved})
            return True
        return False

    def news(self, lines: Iterator[str]) -> Iterator[JobData]:
        """The job, whenever a line brought news of it, until the stream ends."""
        for line in lines:
            if self.read(line):
                yield self.data
            if self.ended:
                return
