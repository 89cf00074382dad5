"""The port: taken first, named in errors with the remedy."""

import signal
import socket

import pytest

from service.listening import listen, until_interrupted, url
from worker.errors import UnavailableError


def test_any_free_port() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert url(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_service_on_all_addresses_is_named_by_one_that_a_browser_can_open() -> None:
    with listen("0.0.0.0", 0) as listening:
        assert url(listening).startswith("http://127.0.0.1:")


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UnavailableError, match="in use; choose another by --port"):
            listen("127.0.0.1", other.getsockname()[1])


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(UnavailableError, match="correct --host"):
        listen("192.0.2.1", 0)


def test_a_host_that_is_none_is_named() -> None:
    with pytest.raises(UnavailableError, match="cannot listen on no such host"):
        listen("no such host", 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_block_and_restores_the_handlers(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    cleaned = False
    with until_interrupted():
        try:
            signal.raise_signal(number)
        finally:
            cleaned = True
    assert cleaned
    assert signal.getsignal(number) is before
