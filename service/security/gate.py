"""The gate: from a request's headers to who asks, for all ways by which a request is answered.

Decisions:

* Where the service listens on a loopback address, whoever reaches it is on this machine, and needs
  no key: the caller is `LOCAL`. What a browser on this machine is made to send by a page of
  somebody else is told by two headers that such a page cannot choose: ``Host`` must name a loopback
  address (a name of the page's own, pointed at 127.0.0.1, is DNS rebinding), and ``Origin``, where
  there is one, must be this service itself.
* Elsewhere a key is asked for, and neither header is looked at: no browser sends a key by itself.
* A key that is sent is checked, on a loopback address too.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from service.security.key_ring import KeyRing
from service.security.refusals import ForbiddenError, UnauthorizedError
from worker.caller import LOCAL, Caller
from worker.errors import UnavailableError
from worker.settings import ServiceSettings

MOST_HOSTS = 64
"""Values of ``Host`` that are remembered to be right; they differ in the port."""
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(?::[0-9]{1,5})?", re.ASCII)
_BEARER = b"bearer "
_TWO_THINGS = _BEARER + b"\0"
"""No host, no origin, and nobody's key."""


@dataclass(slots=True)
class Provenance:
    """What a request's headers say of where it comes from."""

    host: bytes = b""
    origin: bytes = b""
    authorization: bytes = b""

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> "Provenance":
        """The headers of a request, names in lower case.

        One that comes twice and says two things is refused: which of them a proxy in front has
        looked at, nobody here knows.
        """
        said = {b"host": b"", b"origin": b"", b"authorization": b""}
        seen = set()
        for name, value in headers:
            if name in said:
                said[name] = value if name not in seen or said[name] == value else _TWO_THINGS
                seen.add(name)
        return cls(said[b"host"], said[b"origin"], said[b"authorization"])


class Gate:
    """Says who asks."""

    def __init__(self, settings: ServiceSettings, ring: KeyRing) -> None:
        self.ring = ring
        self.is_open = not settings.needs_keys
        """Whether a request without a key is answered."""
        self._names = {"localhost", *settings.host_names}
        self._right_hosts: set[bytes] = set()

    def at_once(self, host: bytes, origin: bytes, authorization: bytes) -> Caller | None:
        """Who asks, where that takes no time and nothing is wrong; ``admit`` says the rest."""
        if self.is_open:
            if origin or host not in self._right_hosts:
                return None
            if not authorization:
                return LOCAL
        key = _key(authorization)
        try:
            return None if key is None else self.ring.find(key)
        except UnavailableError:
            return None

    def check_place(self, said: Provenance) -> None:
        """Refuse what a page of somebody else has a browser send to this machine.

        Raises:
            ForbiddenError: ``Host`` or ``Origin`` is foreign.
        """
        if not self.is_open:
            return
        if said.host not in self._right_hosts:
            name = _host_name(said.host)
            if name is None or not self._is_here(name):
                raise ForbiddenError(
                    "The header Host must be a name of this machine: localhost, 127.0.0.1, [::1], "
                    "or one that PARSIMONY_HOSTS lists. Behind a proxy set PARSIMONY_KEYS=required "
                    "instead.",
                    code="foreign_host",
                    param="Host",
                )
            if len(self._right_hosts) < MOST_HOSTS:
                self._right_hosts.add(said.host)
        if said.origin and said.origin.lower() not in (
            b"http://" + said.host.lower(),
            b"https://" + said.host.lower(),
        ):
            raise ForbiddenError(
                "Pages of other origins may not ask a service on this machine.",
                code="foreign_origin",
                param="Origin",
            )

    async def admit(self, said: Provenance) -> Caller:
        """Who asks.

        Raises:
            UnauthorizedError: there is no valid key where one is needed, or one that is not.
            UnavailableError: the key is not known here, and the database cannot be asked.
        """
        key = _key(said.authorization)
        if key is None:
            if self.is_open:
                return LOCAL
            raise UnauthorizedError
        found = await self.ring.look_up(key)
        if found is None:
            raise UnauthorizedError
        return found

    def _is_here(self, name: str) -> bool:
        try:
            return ip_address(name.strip("[]")).is_loopback
        except ValueError:
            return name.lower() in self._names


def _key(authorization: bytes) -> str | None:
    """What stands after `Bearer`; none of a header that says something else."""
    if authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    return authorization[len(_BEARER) :].strip().decode("latin-1")


def _host_name(host: bytes) -> str | None:
    match = _HOST.fullmatch(host.decode("latin-1"))
    return match["name"] if match else None
