"""A command of `parsimony` in a process of its own, whose output is kept in a file."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.key_scan import SCAN
from tests.waiting import until


@dataclass
class Command:
    """It runs; all that it says is in its log."""

    child: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def address(self) -> str:
        """Where it answers, once it does."""
        until(lambda: "Ctrl-C" in self.said or self.child.poll() is not None)
        found = re.search(r"http://127\.0\.0\.1:\d+", self.said)
        assert found, self.said
        return found[0]


@contextmanager
def commanded(
    log: Path, *arguments: str, settings: Mapping[str, str], program: str | None = None
) -> Iterator[Command]:
    """Run a command, or a program that does; end it, and look for keys in what it said."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PARSIMONY_")}
    start = ["-m", "service"] if program is None else ["-c", program]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, *start, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, "COLUMNS": "200", **settings},
            start_new_session=True,
        ) as child,
    ):
        try:
            yield Command(child, log)
        finally:
            child.terminate()
            try:
                child.wait(40)
            finally:
                child.kill()
    SCAN.look_into(log)
