"""What all commands that ask a service share: its address, exit codes, where what is said goes."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:  # imported late: `parsimony --version` needs no HTTP
    from parsimony import Client


class Exit(IntEnum):
    """Exit codes, for scripts."""

    SUCCEEDED = 0
    WRONG = 1
    """A file or a setting here is wrong."""
    USAGE = 2
    """Typer's, of options and arguments."""
    FAILED = 3
    """The job has failed."""
    CANCELLED = 4
    """The job was cancelled."""
    REFUSED = 5
    """The service has refused the request; the line says why."""
    UNREACHABLE = 6
    """Nobody answers, or a part of the service is away."""
    INTERRUPTED = 130
    """Ctrl-C; the job goes on."""


OF_A_JOB = {"succeeded": Exit.SUCCEEDED, "failed": Exit.FAILED, "cancelled": Exit.CANCELLED}

RETRIES = 2
"""Fewer than a program's: somebody waits, and is told within two seconds that nobody answers."""

Url = Annotated[
    str | None,
    typer.Option(
        envvar="PARSIMONY_URL", help="Address of the service; http://127.0.0.1:8000 unless given."
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="PARSIMONY_API_KEY", help="Key, where the service wants one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
AsCurl = Annotated[
    bool, typer.Option("--curl", help="Print the curl line that does the same, and do nothing.")
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write it there; else it is printed.")
]
JobName = Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or latest.")]


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """What raises ``KeyboardInterrupt`` if Ctrl-C was pressed before and came to nothing.

    Where Python is in a finalizer or in a callback of the garbage collector as the signal comes,
    the interrupt is printed and lost.
    """
    asked = False

    def interrupt(*_: object) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def connected(url: str | None, api_key: str | None) -> Iterator["Client"]:
    """A client of the service; what is wrong is said in a line, and is the exit code."""
    from parsimony import (
        AnswerError,
        Client,
        ParsimonyError,
        ServerError,
        UnauthorizedError,
        UnreachableError,
    )

    try:
        with Client(url, api_key=api_key, retries=RETRIES) as client:
            yield client
    except UnreachableError as error:
        say_problem(f"[red]parsimony:[/] {_safe(error.detail)}")
        say_problem("start one with `parsimony up`, or give another address by --url")
        raise typer.Exit(Exit.UNREACHABLE) from error
    except AnswerError as error:
        say_problem(f"[red]parsimony:[/] {_safe(error.detail)}")
        if isinstance(error, UnauthorizedError):
            say_problem("give it by PARSIMONY_API_KEY, or by --api-key")
        for param, message in error.errors[1:]:
            say_problem(f"  {_safe(f'{param}: ' if param else '')}{_safe(message)}")
        raise typer.Exit(
            Exit.UNREACHABLE if isinstance(error, ServerError) else Exit.REFUSED
        ) from error
    except ParsimonyError as error:
        say_problem(f"[red]parsimony:[/] {_safe(error.detail)}")
        raise typer.Exit(Exit.WRONG) from error


def _safe(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def say_problem(text: str) -> None:
    """What is wrong, or worth knowing beside the answer: on the error output, as markup."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text)


def write_content(content: bytes, out: Path | None) -> None:
    """To the output, or to a file."""
    from parsimony import ParsimonyError

    if out is None:
        sys.stdout.buffer.write(content)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise ParsimonyError(f"{out} cannot be written: {error.strerror}") from error


def write_line(text: str) -> None:
    """A line of the output as it is, unbroken."""
    sys.stdout.write(f"{text}\n")


def write_json(answer: object) -> None:
    """An answer of the service as JSON."""
    write_line(json.dumps(answer, ensure_ascii=False, indent=2))
