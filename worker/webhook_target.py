"""Where a webhook may be sent, and how: what a tenant names is never what this machine may reach.

A URL is taken by its spelling first: https, a port that is allowed, a plain name or a plain
address, no user, no fragment. Then, at every attempt anew, its name is resolved once, all addresses
that come of it are checked, and one of these very addresses is connected to, under the name for TLS
and ``Host``. So a name that answers otherwise a moment later is not asked. Redirects are not
followed.
"""

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from worker.errors import SpecError

LONGEST_URL = 2_048
CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 15.0
"""Time from the first connection to the end of the answer."""
NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*", re.ASCII)
NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII)
"""The last part of what systems read as an IPv4 address, in whatever notation (WHATWG URL)."""
TUNNELS = tuple(
    IPv6Network(network)
    for network in (
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64, local
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
        "5f00::/16",  # segment routing
    )
)
"""Networks behind whose addresses others stand; Python takes some of them for global."""
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out for the public network."""
NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 tells virtual machines of one cloud
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # tells virtual machines of another cloud, from a public network
        "3fff::/20",  # documentation
    )
)
"""What Python 3.11 takes for global, and is not, by IANA's registries or by what answers there."""

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


class TargetError(SpecError):
    """A webhook may not be sent there."""

    code = "webhook_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, param="url")


@dataclass(frozen=True)
class TargetPolicy:
    """Where webhooks may be sent at all."""

    hosts: tuple[str, ...] = ()
    """Names, `*.example.com`, or `*`."""
    ports: frozenset[int] = frozenset({443})
    loopback: bool = False
    """Whether this machine itself may be told, on any port and over http: for trials."""

    def allows(self, host: str) -> bool:
        """Whether a name or an address is among those that are named."""
        return any(
            pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))
            for pattern in self.hosts
        )


@dataclass(frozen=True)
class WebhookTarget:
    """A URL that was found sound by its spelling."""

    host: str
    port: int
    path: str
    secure: bool
    local: bool
    """Whether it names this machine itself, where that is allowed."""

    @property
    def authority(self) -> str:
        """What the header ``Host`` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.secure else 80
        return host if self.port == usual else f"{host}:{self.port}"


def target_of(url: str, policy: TargetPolicy) -> WebhookTarget:
    """Read a URL.

    Raises:
        TargetError: it is not of the one plain form, or not of a host and port that are allowed.
    """
    if (
        len(url) > LONGEST_URL
        or not url.isascii()
        or not url.isprintable()
        or set(url) & set(" \\")
    ):
        raise TargetError(
            f"The URL must be at most {LONGEST_URL:,} ASCII characters without spaces or "
            "backslashes; write names of other scripts in punycode (xn--…)."
        )
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise TargetError(f"The URL cannot be read: {error}.") from error
    if "@" in parts.netloc or "#" in url:
        raise TargetError("The URL must have no user, no password and no fragment.")
    address = _literal(host)
    local = policy.loopback and (
        host == "localhost" or (address is not None and address.is_loopback)
    )
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise TargetError("The URL must begin with https://.")
    port = port if port is not None else (443 if parts.scheme == "https" else 80)
    if not local and port not in policy.ports:
        allowed = ", ".join(map(str, sorted(policy.ports)))
        raise TargetError(f"The port must be one of {allowed}; this one is {port}.")
    if not local and not policy.allows(host):
        raise TargetError(
            f"Webhooks may not be sent to {host}: the service's setting PARSIMONY_WEBHOOKS names "
            "the hosts that they may be sent to."
        )
    if address is not None:
        check_address(address, local=local)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookTarget(host, port, path, parts.scheme == "https", local)


def _literal(host: str) -> Address | None:
    """The address that a host is; none of a name. ``TargetError`` for any other spelling."""
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if address is not None and "%" not in host:
        return address
    last = host.rpartition(".")[2]
    if len(host) > 253 or NAME.fullmatch(host) is None or NUMERIC.fullmatch(last):
        raise TargetError(
            f"The host {host!r} must be a plain name without a dot at its end, or an IP address in "
            "its usual form."
        )
    return None


def check_address(address: Address, *, local: bool = False) -> None:
    """Raise ``TargetError`` unless an address is public, or of this machine where it may be."""
    if local and address.is_loopback:
        return
    inner = isinstance(address, IPv6Address) and (
        address not in GLOBAL_UNICAST or any(address in network for network in TUNNELS)
    )
    if (
        not address.is_global
        or inner
        or any(address in network for network in NOT_PUBLIC)
        or address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    ):
        raise TargetError(f"The address {address} is not one of the public network.")


def look_up(host: str, port: int) -> Sequence[str]:
    """All addresses of a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def addresses_of(target: WebhookTarget, resolve: Resolve = look_up) -> Sequence[Address]:
    """The addresses of a target, each of which may be connected to.

    Raises:
        TargetError: one of them may not.
        OSError: there is no such name, or nobody who knows it.
    """
    # What has a scope is of a link: its address says so as well.
    found = [ip_address(address.partition("%")[0]) for address in resolve(target.host, target.port)]
    for address in found:
        check_address(address, local=target.local)
    if not found:
        raise OSError(f"{target.host} has no address")
    return found


def post(
    target: WebhookTarget,
    addresses: Sequence[Address],
    headers: Mapping[str, str],
    body: bytes,
    *,
    seconds: float = WHOLE_SECONDS,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Post to a target, at the first of its addresses that answers; the status.

    Raises:
        OSError, http.client.HTTPException: it could not be sent, or was not answered in time.
    """
    connection = _Pinned(target, addresses, tls)
    overdue = threading.Timer(seconds, connection.give_up)
    overdue.daemon = True
    overdue.start()
    try:
        connection.request("POST", target.path, body, {"Host": target.authority, **headers})
        # Its body is not read: nothing in it matters, and it may never end.
        return connection.getresponse().status
    finally:
        overdue.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """Connects to addresses that were checked, and to nothing else; through no proxy."""

    def __init__(
        self, target: WebhookTarget, addresses: Sequence[Address], tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(target.host, target.port, timeout=CONNECT_SECONDS)
        self._target, self._addresses = target, addresses
        self._tls = tls
        self._overdue = False

    def connect(self) -> None:
        """Connect to the first address that answers, and speak TLS to the name."""
        failed: OSError = OSError("it has no address")
        for address in self._addresses:
            try:
                self.sock = socket.create_connection(
                    (str(address), self._target.port), CONNECT_SECONDS
                )
                break
            except OSError as error:
                failed = error
        else:
            raise failed
        if self._target.secure:
            tls = self._tls or ssl.create_default_context()
            # Known here before it is waited for, so that it can be given up.
            self.sock = tls.wrap_socket(
                self.sock, server_hostname=self._target.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()
        if self._overdue:
            raise TimeoutError("it took too long")

    def give_up(self) -> None:
        """Wait no longer, whoever waits."""
        self._overdue = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
