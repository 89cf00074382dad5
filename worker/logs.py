"""What all processes write: one form of log lines, for the service, the workers and their trainers.

On a terminal a line is for people: time, level, logger, message, then what it is about as
``key=value``. Elsewhere it is a JSON object. What a line is about (request, job, fleet, worker) is
said once, by :func:`about`, around the work, or in a call's ``extra``.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

import orjson

from worker.settings import ServiceSettings

_context: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 (read only)
_process: dict[str, str] = {}
REMIND_SECONDS = 60.0
"""A fault that goes on is told again after this long."""

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName"),
    "data",  # Celery's: all of a task's arguments
}
_LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KEY = re.compile(r"\bpk_([0-9a-f]{16})_[0-9a-f]{64}")
"""A key of the service, which somebody has written where a log shows it: into a URL, say."""
_NOISY = ("sqlalchemy", "alembic", "httpx", "httpcore", "asyncio", "fsspec", "s3fs", "botocore")
"""Libraries whose debugging lines would hide ours."""


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Say what the lines that are written in a block are about."""
    token = _context.set({**_context.get(), **ids})
    try:
        yield
    finally:
        _context.reset(token)


def about_task(**ids: str) -> None:
    """Say what the lines of this task or thread are about, until it is said anew."""
    _context.set(ids)


def about_process(**ids: str) -> None:
    """Say what all lines of this process are about."""
    _process.update(ids)


def configure_logs(settings: ServiceSettings, stream: TextIO | None = None) -> None:
    """Have this process write its lines in the form and from the level of the settings.

    To be called once, where a process begins; again, it takes the place of what was.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(settings.log_format, handler.stream))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[settings.log_level])
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    logging.captureWarnings(True)


def _formatter(form: str, stream: TextIO) -> logging.Formatter:
    if form == "auto":
        form = "text" if stream.isatty() else "json"
    return TextFormatter() if form == "text" else JsonFormatter()


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What a line is about, and what else was given with it."""
    given = {name: value for name, value in vars(record).items() if name not in _USUAL}
    return {**_process, **_context.get(), **given}


def _plain(text: str) -> str:
    """A text on one line: what clients say stands in some, and must not look like another line."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def without_keys(text: str) -> str:
    """A text in which keys of the service are named, and not told."""
    return _KEY.sub(r"key_\1", text)


class TextFormatter(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """``2026-01-31 12:03:04.567 INFO    parsimony.access: POST /v1/jobs status=202 pid=7``."""
        instant = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        fields = {**_fields(record), "pid": record.process}
        said = [record.getMessage(), *(f"{name}={value}" for name, value in fields.items())]
        line = f"{instant} {record.levelname:<7} {record.name}: {_plain(' '.join(said))}"
        return without_keys(_with_trace(self, record, line))


class JsonFormatter(logging.Formatter):
    """A line for machines: a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, process, what it is about, and a traceback."""
        trace = _with_trace(self, record, "").strip()
        base = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        line = base | _fields(record) | base | ({"trace": trace} if trace else {})
        text = orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        return without_keys(text)


def _with_trace(formatter: logging.Formatter, record: logging.LogRecord, line: str) -> str:
    if record.exc_info:
        line += "\n" + formatter.formatException(record.exc_info)
    if record.stack_info:
        line += "\n" + formatter.formatStack(record.stack_info)
    return line


class Outage:
    """Tells of a fault that goes on: when it begins, once a minute, and when it is over.

    Args:
        logger: that it is told to.
        what: what does not work, at the beginning of each line.
    """

    def __init__(
        self, logger: logging.Logger, what: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger, self._what, self._clock = logger, what, clock
        self._since: float | None = None
        self._told = 0.0
        self._times = 0

    def failed(self, error: object) -> None:
        """It did not work just now."""
        now = self._clock()
        self._times += 1
        if self._since is None:
            self._since = self._told = now
            self._logger.warning("%s does not work: %s", self._what, error)
        elif now - self._told >= REMIND_SECONDS:
            self._told = now
            self._logger.warning(
                "%s has not worked for %.0f s: %s",
                *(self._what, now - self._since, error),
                extra={"failures": self._times},
            )

    def worked(self) -> None:
        """It worked just now."""
        if self._since is not None:
            lasted = self._clock() - self._since
            self._logger.warning(
                "%s works again after %.0f s", self._what, lasted, extra={"failures": self._times}
            )
            self._since, self._times = None, 0
