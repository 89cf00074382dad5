"""One of several HTTP processes: ``python -m service.api_process PARENT SOCKET REPORTING``.

It answers on a socket that it inherits, and writes a byte to a pipe once it does.
"""

import os
import signal
import socket
import sys

from service.listening import until_interrupted
from worker.errors import ParsimonyError
from worker.runtime.lifeline import die_with_parent
from worker.settings import ServiceSettings


def main(parent: int, listening: int, reporting: int) -> None:
    """Answer until the parent says to stop, or is gone."""
    die_with_parent(parent, signal.SIGTERM)
    for descriptor in (listening, reporting):
        os.set_inheritable(descriptor, False)
    with until_interrupted(), socket.socket(fileno=listening) as shared:
        from service.server import Server  # takes seconds, in which the parent may say to stop

        try:
            Server(ServiceSettings(), lambda: bool(os.write(reporting, b"."))).serve_on(shared)
        except ParsimonyError as error:
            sys.exit(f"parsimony: {error.message}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
