"""Named points at which a process can be made to die, to show that nothing is lost there.

Without ``PARSIMONY_FAIL_FILE`` a point costs a look at a name. With it, whoever first comes to the
point that the file names removes the file and kills itself, as ``kill -9`` would.
"""

import os
import signal
from pathlib import Path

POINTS = (
    "claim.before",
    "claim.after",
    "assigned",
    "loaded",
    "epochs.after",
    "file.before",
    "file.rename",
    "file.renamed",
    "checkpoint.written",
    "checkpoint.referred",
    "result.before",
    "result.written",
    "ensemble.before",
    "ensemble.written",
    "finish.before_commit",
    "finish.after_commit",
    "plan.complete",
    "publish.version",
    "resume.read",
    "gc.before",
    "gc.files",
)
"""About in the order in which the life of a fleet passes them."""

_file = os.environ.get("PARSIMONY_FAIL_FILE")


def failpoint(name: str) -> None:
    """Die here if that was asked for."""
    if _file is None:
        return
    asked = Path(_file)
    try:
        if asked.read_text(encoding="utf-8") != name:
            return
        asked.unlink()  # by one of those who come here at a time
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
