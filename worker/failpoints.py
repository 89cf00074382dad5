"""Named points at which a process can be made to die, to show that nothing is lost there.

Without ``PARSIMONY_FAIL_AT`` a point costs a look into an empty set. With it, ``name`` or
``name:count``, the process that comes to this point for the ``count``-th time (the first) kills
itself as ``kill -9`` would. It does so once for an installation: the file that
``PARSIMONY_FAIL_ONCE`` names is made first, by whom dies, and whoever finds it lives on.
"""

import os
import signal

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
    "resume.read",
    "result.before",
    "result.written",
    "finish.before_commit",
    "finish.after_commit",
    "publish.version",
    "plan.refit",
    "gc.before",
    "gc.after",
)
"""In the order in which the life of a fleet passes them."""

_at, _, _count = os.environ.get("PARSIMONY_FAIL_AT", "").partition(":")
_left = int(_count or 1)
if _at and _at not in POINTS:
    raise ValueError(f"PARSIMONY_FAIL_AT: there is no point {_at}; there are {', '.join(POINTS)}")


def failpoint(name: str) -> None:
    """Die here if the environment says so."""
    global _left
    if name != _at:
        return
    _left -= 1
    if _left > 0:
        return
    once = os.environ.get("PARSIMONY_FAIL_ONCE")
    if once:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
