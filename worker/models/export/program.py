"""One export in a process of its own: tracing replaces functions of Python for all its threads.

Reads from its input one line of JSON, then a model file; writes the exported file. An error of the
core is a line of JSON on the error output, with status 3.
"""

import json
import os
import sys
from dataclasses import asdict

import torch

from worker.errors import ModelError
from worker.models.export.export import ExportFormat, ExportSource, export

REFUSED = 3
"""The exit status of an export that was refused with an error of the core."""


def request(origin: ExportSource, to: ExportFormat, data: bytes) -> bytes:
    """What this program reads."""
    return json.dumps({"origin": asdict(origin), "to": to}).encode() + b"\n" + data


def main() -> int:
    """Export what the input asks for."""
    # Whatever libraries print is no part of the file.
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    torch.set_num_threads(1)
    asked = json.loads(sys.stdin.buffer.readline())
    try:
        content = export(sys.stdin.buffer.read(), ExportSource(**asked["origin"]), asked["to"])
    except ModelError as error:
        sys.stderr.write("\n" + json.dumps(error.body()) + "\n")
        return REFUSED
    with answer:
        answer.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
