"""What all commands share."""

import signal
from contextlib import suppress

import pytest

from service.terminal.session import interruptible


def test_an_interrupt_that_came_to_nothing_is_not_lost() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as check:
        check()
        with suppress(KeyboardInterrupt):  # as a finalizer does
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is before
