"""The file of an SQLite database, as long as it is the one that was opened.

A file that is moved, removed or replaced under a process is written on by its open connections, in
a place where nobody will look for it: what was accepted would be gone with the process.
"""

from pathlib import Path
from typing import Any

from worker.storage.limits import unavailable


class SqliteFile:
    """Knows the file by device and number once a connection has been made; none in memory."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path and path != ":memory:" else None
        self._known: tuple[int, int] | None = None

    def opened(self, *_: Any) -> None:
        """A connection was made."""
        self._known = self._known or self._there()

    def check(self, *_: Any) -> None:
        """Raise ``UnavailableError`` unless the file is in its place."""
        if self._known is not None and self._there() != self._known:
            raise unavailable(
                "its file was moved, removed or replaced: put it back, or start the service anew"
            )

    def _there(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
