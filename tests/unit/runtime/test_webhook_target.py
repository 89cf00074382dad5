"""Where webhooks are sent: an address that is not public is not connected to, however spelled."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import ip_address

import pytest

from worker.webhook_target import (
    TargetError,
    TargetPolicy,
    WebhookTarget,
    addresses_of,
    check_address,
    post,
    target_of,
)

ANY = TargetPolicy(("*",), frozenset({443, 8443}))
REFUSED = [
    "https://192.0.0.192/",
    "https://192.88.99.1/",
    "https://168.63.129.16/",
    "https://[3fff::1]/",
    "https://[4000::1]/",
    "https://[e000::1]/",
    # Spellings of 127.0.0.1 and of other addresses of this machine.
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.0x1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[0:0:0:0:0:ffff:0:7f00:1]/",
    # Networks that are nobody's, or this one's.
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    # Public ones behind which others stand.
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[::ffff:0:a9fe:a9fe]/",
    # What is not of the one plain form.
    "http://example.com/",
    "ftp://example.com/",
    "https://user@example.com/",
    "https://user:word@example.com/",
    "https://example.com#@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com\n.evil/",
    "https://example.com:80/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com./",
    "https://exa mple.com/",
    "https://①②⑦.⓪.⓪.①/",
    "https://ｅxample.com/",
    "https:///path",
    "https://",
    "//example.com/",
]


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_not_plainly_public_is_refused(url: str) -> None:
    with pytest.raises(TargetError) as refused:
        addresses_of(target_of(url, ANY), lambda host, port: [host])
    assert refused.value.param == "url"


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://hooks.example.com/a?b=c", "hooks.example.com", "/a?b=c"),
        ("https://HOOKS.example.com:8443", "hooks.example.com:8443", "/"),
        ("https://8.8.8.8/x", "8.8.8.8", "/x"),
        ("https://[2606:4700::1]/", "[2606:4700::1]", "/"),
    ],
)
def test_what_is_plain_and_public_is_taken(url: str, authority: str, path: str) -> None:
    target = target_of(url, ANY)
    assert (target.authority, target.path, target.secure) == (authority, path, True)
    assert addresses_of(target, lambda host, port: ["8.8.8.8", "2606:4700::1"])


def test_hosts_are_those_that_the_setting_names() -> None:
    policy = TargetPolicy(("hooks.example.com", "*.corp.example"))
    for host in ("hooks.example.com", "a.corp.example", "b.a.corp.example"):
        target_of(f"https://{host}/", policy)
    for host in ("example.com", "corp.example", "evilcorp.example", "hooks.example.com.evil"):
        with pytest.raises(TargetError, match="PARSIMONY_WEBHOOKS"):
            target_of(f"https://{host}/", policy)


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["8.8.8.8", "169.254.169.254"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"]],
)
def test_one_address_that_is_not_public_refuses_the_name(answers: list[str]) -> None:
    target = target_of("https://rebound.example.com/", ANY)
    with pytest.raises(TargetError, match="not one of the public network"):
        addresses_of(target, lambda host, port: answers)


def test_only_who_is_asked_for_by_name_may_be_this_machine() -> None:
    """Where the setting allows loopback, a name of elsewhere that leads here is still refused."""
    policy = TargetPolicy(("*",), loopback=True)
    here = target_of("http://localhost:1234/", policy)
    assert [str(one) for one in addresses_of(here, lambda host, port: ["127.0.0.1"])] == [
        "127.0.0.1"
    ]
    with pytest.raises(TargetError):
        addresses_of(here, lambda host, port: ["10.0.0.1"])
    elsewhere = target_of("https://rebound.example.com/", policy)
    with pytest.raises(TargetError):
        addresses_of(elsewhere, lambda host, port: ["127.0.0.1"])


class Listener:
    """A real port of this machine, which notes who connects and answers as it is told."""

    def __init__(self, answer: bytes) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard: list[bytes] = []
        self._answer = answer
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with closing(connection):
                self.heard.append(connection.recv(65_536))
                connection.sendall(self._answer)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def redirecting() -> Iterator[Listener]:
    listener = Listener(
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    yield listener
    listener.close()


def test_a_name_that_answers_otherwise_later_is_asked_once(redirecting: Listener) -> None:
    """The address that was checked is connected to, under the name; a redirect is an answer."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    policy = TargetPolicy(loopback=True)
    target = target_of(f"http://localhost:{redirecting.port}/hook", policy)
    assert post(target, addresses_of(target, rebinding), {}, b"{}") == 307
    assert asked == ["localhost"]
    (heard,) = redirecting.heard
    assert heard.startswith(b"POST /hook HTTP/1.1\r\n")
    assert f"Host: localhost:{redirecting.port}\r\n".encode() in heard


def test_tls_is_spoken_to_the_name_and_must_be_trusted(redirecting: Listener) -> None:
    target = WebhookTarget("hooks.example.com", redirecting.port, "/", secure=True, local=True)
    addresses = addresses_of(target, lambda host, port: ["127.0.0.1"])
    with pytest.raises(ssl.SSLError):
        post(target, addresses, {}, b"{}")
    (hello,) = redirecting.heard
    assert b"hooks.example.com" in hello  # SNI
    assert b"POST" not in hello


def test_who_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        target = target_of(f"http://127.0.0.1:{port}/", TargetPolicy(loopback=True))
        addresses = addresses_of(target, lambda host, port: [host])
        with pytest.raises(ConnectionError):
            post(target, addresses, {}, b"{}", seconds=0.2)


def test_addresses_behind_which_others_stand_are_refused() -> None:
    """Python takes these two for public ones."""
    for text in ("64:ff9b::7f00:1", "2002:7f00:1::"):
        with pytest.raises(TargetError):
            check_address(ip_address(text))
