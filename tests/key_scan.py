"""No key that a run of tests makes may be found again: a look at all that the run leaves and says.

It is there in each run, without being asked. Looked at, as it comes:

* folders of state, logs of servers, files of any kind, before they are removed;
* rows of databases, before they are given back;
* answers over HTTP, with their headers;
* what is logged, as the formatters write it, with tracebacks; what tests' own processes print.

Looked for are all texts that have the form of a key, whoever made them, and of the keys that this
process made every sixteen digits of the secret, so that a part of one is found too.
"""

import logging
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from _pytest import tmpdir
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from worker.errors import UnavailableError
from worker.logs import without_keys
from worker.storage import keys
from worker.storage.database import Database

KEY = re.compile(rb"pk_[0-9a-f]{16}_[0-9a-f]{64}")
DIGITS = re.compile(rb"[0-9a-f]{16,}")
CHUNK = 16
"""Digits of a secret that are looked for together: 64 bits, which nothing else has by chance."""
LARGEST = 64 * 2**20
"""Bytes of a file that is looked at; what is larger are arrays."""
PURPOSE = frozenset({"key.txt"})
"""Files into which a walk through the documentation writes its own key."""
SQLITE = b"SQLite format 3\0"


class KeyScan:
    """The keys of a run, and where they were found again."""

    def __init__(self) -> None:
        self._chunks: set[bytes] = set()
        self.found: list[str] = []
        self.made = self.looks = 0
        """How many keys are known, and how often it was looked."""

    def remember(self, text: str) -> str:
        """Look for this key from now on."""
        secret = text.rpartition("_")[2].encode()
        self._chunks.update(secret[at : at + CHUNK] for at in range(0, len(secret), CHUNK))
        self.made += 1
        return text

    def look(self, said: bytes | str, where: str) -> None:
        """Look at what was said or is stored."""
        self.looks += 1
        data = said.encode(errors="replace") if isinstance(said, str) else said
        if KEY.search(data) or (self._chunks and self._has_chunk(data)):
            self.found.append(where)

    def _has_chunk(self, data: bytes) -> bool:
        for digits in DIGITS.findall(data):
            for at in range(len(digits) - CHUNK + 1):
                if digits[at : at + CHUNK] in self._chunks:
                    return True
        return False

    def look_into(self, folder: Path) -> None:
        """Look at all files below a folder; of a database at its rows, too. Nobody uses it."""
        for path in _files(folder):
            if path.name in PURPOSE:
                continue
            with suppress(OSError, DBAPIError, UnavailableError):  # some are damaged by their test
                data = path.read_bytes()
                self.look(data, f"in the file {path}")
                if data.startswith(SQLITE):
                    self.look_at_rows(f"sqlite:///{path}", str(path))

    def look_at_rows(self, url: str, where: str) -> None:
        """Look at all rows of a database, if any key was made: files have long texts in pieces."""
        if not self.made:
            return
        database = Database(url)
        try:
            with database.read() as session:
                for table in inspect(session.connection()).get_table_names():
                    for row in session.execute(text(f'SELECT * FROM "{table}"')):
                        self.look(repr(row), f"in the table {table} of {where}")
        finally:
            database.close()

    def look_at_record(self, record: logging.LogRecord) -> None:
        """Look at a line of the log, as it is written."""
        said = [record.getMessage(), repr(vars(record))]
        if record.exc_info:
            said.append(logging.Formatter().formatException(record.exc_info))
        self.look(without_keys("\n".join(said)), f"in a line of {record.name}")

    def take(self) -> list[str]:
        """What was found since this was asked last."""
        found, self.found = self.found, []
        return found


SCAN = KeyScan()
"""That of this process."""


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file() and not folder.is_symlink():
        yield folder
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            with suppress(OSError):
                about = path.lstat()
                if stat.S_ISREG(about.st_mode) and about.st_size <= LARGEST:
                    yield path


class Plugin:
    """The scan in a run: what it hangs into, and how what it finds is told."""

    def __init__(self, scan: KeyScan) -> None:
        self._scan = scan
        self._told: list[tuple[int, int, list[str]]] = []
        """Keys, looks and findings of each process."""

    def hang_in(self, patch: pytest.MonkeyPatch) -> None:
        """Be asked by whatever makes a key, removes files, has an answer, or logs."""
        scan, make, remove = self._scan, keys.new_text, shutil.rmtree

        def remembered() -> str:
            return scan.remember(make())

        def looked_into_and_removed(path: Any, *arguments: Any, **options: Any) -> Any:
            if isinstance(path, (str, os.PathLike)):
                scan.look_into(Path(path))
            return remove(path, *arguments, **options)

        patch.setattr(keys, "new_text", remembered)
        patch.setattr(shutil, "rmtree", looked_into_and_removed)
        patch.setattr(tmpdir, "rmtree", looked_into_and_removed)
        self._hang_into_answers(patch)
        self._hang_into_logs(patch)

    def _hang_into_answers(self, patch: pytest.MonkeyPatch) -> None:
        scan, read, aread = self._scan, httpx.Response.read, httpx.Response.aread

        def look(answer: httpx.Response, content: bytes) -> bytes:
            where = f"in an answer ({answer.status_code}, {answer.headers.get('content-type')})"
            scan.look(content, where)
            scan.look(repr(answer.headers.raw), f"in the headers of {where}")
            return content

        def looked_at(answer: httpx.Response) -> bytes:
            return (
                content if (content := vars(answer).get("_content")) else look(answer, read(answer))
            )

        async def looked_at_later(answer: httpx.Response) -> bytes:
            known = vars(answer).get("_content")
            return known if known else look(answer, await aread(answer))

        patch.setattr(httpx.Response, "read", looked_at)
        patch.setattr(httpx.Response, "aread", looked_at_later)

    def _hang_into_logs(self, patch: pytest.MonkeyPatch) -> None:
        scan, handle = self._scan, logging.Logger.handle

        def looked_at(logger: logging.Logger, record: logging.LogRecord) -> None:
            with suppress(Exception):  # a record that cannot be written is another test's finding
                scan.look_at_record(record)
            handle(logger, record)

        patch.setattr(logging.Logger, "handle", looked_at)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        """A test, or what was put away after it, has left a key somewhere."""
        yield
        if found := self._scan.take():
            pytest.fail("a key was found again:\n" + "\n".join(sorted(set(found))), pytrace=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What the processes of a test printed."""
        for name, content in report.sections:
            self._scan.look(content, f"in what {report.nodeid} printed ({name})")

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """The folders of the whole run, which go now."""
        factory = getattr(session.config, "_tmp_path_factory", None)
        if factory is not None and factory._basetemp is not None:
            self._scan.look_into(factory._basetemp)
        yield
        self._told.append((self._scan.made, self._scan.looks, self._scan.take()))
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["key_scan"] = self._told[-1]
        elif any(found for _, _, found in self._told):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A process of pytest-xdist has ended."""
        if "key_scan" in (output := getattr(node, "workeroutput", {})):
            self._told.append(output["key_scan"])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """How much was looked for, and what was found outside of tests."""
        made, looks = (sum(told[at] for told in self._told) for at in (0, 1))
        late = sorted({where for _, _, found in self._told for where in found})
        if made or late:
            terminalreporter.write_sep("=", "keys")
            terminalreporter.write_line(f"{made} made, looked for in {looks} places")
        for where in late:
            terminalreporter.write_line(f"FOUND AGAIN {where}", red=True)
