"""Child processes that do not outlive their parent.

Linux tells a process of its parent's death by a signal (``PR_SET_PDEATHSIG``); the mark survives
``exec``. It is set by the child itself, because code between fork and exec is unsafe in a process
with threads. As a launcher for foreign programs:
``python -m worker.runtime.lifeline PARENT COMMAND…``
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Be killed when ``parent``, which must be this process's parent, dies; exit if it has.

    Elsewhere than on Linux this does nothing: there a child ends when its standard input closes.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before the mark was set.
    if os.getppid() != parent:
        sys.exit(1)


def launch(parent: int, *command: str) -> list[str]:
    """The command line that runs ``command`` so that it dies with process ``parent``."""
    return [sys.executable, "-m", "worker.runtime.lifeline", str(parent), *command]


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
