"""Whether an error is the fault of the work or of the place. Decided here and nowhere else.

What the *place* is at fault for (the artefact store, the database, the network, a disk, this host)
says nothing of the work: it is waited out for as long as it lasts, and counts against no job.
Everything else is the work's own fault, or a defect of this service, and comes again on a healthy
place.
"""

import errno
import os
import re

from sqlalchemy.exc import IntegrityError

from worker.errors import UnavailableError

PLACE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE),
        *(errno.EACCES, errno.EPERM, errno.ENODEV, errno.ENXIO, errno.ENOTCONN),
        *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ETIMEDOUT),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
    }
)
"""What the system says of a disk, a network or itself, whatever was asked of it."""

BETWEEN_WORDS = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"


def place_fault(error: BaseException) -> UnavailableError | None:
    """The error as the place's, naming the part that is at fault; none where it is not."""
    if isinstance(error, UnavailableError):
        return error
    if isinstance(error, ConnectionError | TimeoutError) or (
        isinstance(error, OSError) and error.errno in PLACE
    ):
        return UnavailableError(f"the host: {in_words(error)}", code="host_unavailable")
    return None


def reason_of(fault: UnavailableError) -> str:
    """What is at fault, for those who see it wait: they need not be told to try again."""
    return fault.message.removesuffix("; try again")


def is_collision(error: BaseException) -> bool:
    """Whether two transactions met, so that the second one to come finds what it lacked or must
    not repeat: it is worth another try.
    """
    return isinstance(error, IntegrityError)


def in_words(error: BaseException) -> str:
    """An error in a few words: the system's text, else the name of its class. Not its own text,
    which may hold addresses and credentials.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    words = re.sub(BETWEEN_WORDS, " ", type(error).__name__)
    return words.lower()
