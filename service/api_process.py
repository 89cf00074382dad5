"""One of several HTTP processes: ``python -m service.api_process PARENT NUMBER SOCKET PIPE LOADS``.

It answers on a socket that it inherits, and writes a byte to a pipe once it does.
"""

import os
import signal
import socket
import sys
from functools import partial

from service.fair_listener import Loads
from service.listening import until_interrupted
from worker.errors import ParsimonyError
from worker.logs import about_process, configure_logs
from worker.runtime.lifeline import die_with_parent
from worker.settings import ServiceSettings


def main(parent: int, number: int, listening: int, reporting: int, loads: int) -> None:
    """Answer until the parent says to stop, or is gone."""
    die_with_parent(parent, signal.SIGTERM)
    for descriptor in (listening, reporting, loads):
        os.set_inheritable(descriptor, False)
    with until_interrupted(), socket.socket(fileno=listening) as shared:
        from service.server import Server  # takes seconds, in which the parent may say to stop

        settings = ServiceSettings()
        configure_logs(settings)
        about_process(http=str(number))
        sharing = (Loads(loads, settings.processes), number)
        try:
            Server(settings, partial(_report, reporting), sharing).serve_on(shared)
        except ParsimonyError as error:
            sys.exit(f"parsimony: {error.message}")


def _report(pipe: int) -> None:
    os.write(pipe, b".")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
