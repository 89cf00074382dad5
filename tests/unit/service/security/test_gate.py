"""Who asks: by loopback, or by a key; what a page of somebody else sends is refused."""

import asyncio
from datetime import timedelta

import pytest

from service.security.gate import Gate, Provenance
from service.security.key_ring import KeyRing
from service.security.refusals import ForbiddenError, UnauthorizedError
from tests.registered import in_loop
from worker.caller import LOCAL, Caller, Permission
from worker.errors import UnavailableError
from worker.settings import ServiceSettings
from worker.storage import keys
from worker.storage.database import Database
from worker.storage.types import utc_now


def bearer(text: str) -> Provenance:
    return Provenance(b"localhost", b"", b"Bearer " + text.encode())


def made(database: Database, **options: object) -> str:
    with database.write() as session:
        scopes = [Permission.READ]
        return keys.make_key(session, tenant="acme", scopes=scopes, **options).text  # type: ignore[arg-type]


def admitted(gate: Gate, said: Provenance) -> Caller:
    async def admit() -> Caller:
        return await gate.admit(said)

    return in_loop(admit)


RIGHT = [
    "localhost",
    "localhost:8000",
    "127.0.0.1:1",
    "127.9.9.9",
    "[::1]:8000",
    "[::1]",
    "LocalHost",
]
WRONG = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "0.0.0.0",
    "[::2]",
    "::1",
    "localhost@evil.example",
    "localhost:8000:8000",
    "localhost/",
    "",
    "localhost ",
    "häuser",
]


def opened(**settings: str) -> Gate:
    return Gate(ServiceSettings(**settings), KeyRing(None, 300.0))  # type: ignore[arg-type]


@pytest.mark.parametrize("host", RIGHT)
def test_a_name_of_this_machine_is_right(host: str) -> None:
    gate = opened()
    assert gate.at_once(host.encode(), b"", b"") is None  # not before it was looked at
    gate.check_place(Provenance(host.encode()))
    assert gate.at_once(host.encode(), b"", b"") == LOCAL


@pytest.mark.parametrize("host", WRONG)
def test_another_name_is_refused(host: str) -> None:
    gate = opened()
    with pytest.raises(ForbiddenError, match="Host") as refused:
        gate.check_place(Provenance(host.encode()))
    assert refused.value.code == "foreign_host"
    assert gate.at_once(host.encode(), b"", b"") is None


def test_names_may_be_given() -> None:
    gate = opened(hosts="box.lan, Other")
    for host in (b"box.lan:80", b"BOX.LAN", b"other"):
        gate.check_place(Provenance(host))
    with pytest.raises(ForbiddenError):
        gate.check_place(Provenance(b"lan"))


@pytest.mark.parametrize(
    ("origin", "right"),
    [
        ("http://localhost:8000", True),
        ("app://localhost:8000", False),
        ("https://LOCALHOST:8000", True),
        ("http://localhost:3000", False),
        ("http://localhost", False),
        ("http://evil.example", False),
        ("http://evil.example/localhost:8000", False),
        ("null", False),
        ("localhost:8000", False),
        ("://localhost:8000", False),
    ],
)
def test_an_origin_is_this_service_or_refused(origin: str, right: bool) -> None:
    gate, said = opened(), Provenance(b"localhost:8000", origin.encode())
    if right:
        gate.check_place(said)
        return
    with pytest.raises(ForbiddenError, match="origin"):
        gate.check_place(said)
    assert gate.at_once(said.host, said.origin, b"") is None


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("/run/parsimony.sock", True),
        ("unix:/run/parsimony.sock", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.0.1", False),
        ("box.lan", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_keys_are_asked_for_where_others_reach_it(host: str, local: bool) -> None:
    settings = ServiceSettings(host=host)
    assert (settings.is_local, settings.needs_keys) == (local, not local)
    assert (settings.rates is None) == local
    assert ServiceSettings(host=host, keys="required").needs_keys


def test_a_key_is_known_by_all_of_it(database: Database) -> None:
    text = made(database)
    ring = KeyRing(database, 300.0)
    gate = Gate(ServiceSettings(keys="required"), ring)
    caller = admitted(gate, bearer(text))
    assert (caller.tenant, caller.key_id, caller.scopes) == (
        "acme",
        keys.key_id(text),
        {Permission.READ},
    )
    assert gate.at_once(b"any.where", b"http://any.where", b"bearer " + text.encode()) == caller
    others = [
        "",
        text[:-1],
        text + "0",
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        text.upper(),
        keys.new_text(),
        keys.new_text()[:20] + text[20:],
        "pk_",
        text.replace("pk_", "pk-"),
    ]
    for other in others:
        with pytest.raises(UnauthorizedError):
            admitted(gate, bearer(other))
        assert gate.at_once(b"", b"", b"Bearer " + other.encode()) is None


def test_where_no_key_is_needed_a_wrong_one_is_wrong_all_the_same(database: Database) -> None:
    gate = Gate(ServiceSettings(), KeyRing(database, 300.0))
    assert admitted(gate, Provenance(b"localhost")) == LOCAL
    assert admitted(gate, bearer(made(database))).tenant == "acme"
    with pytest.raises(UnauthorizedError):
        admitted(gate, bearer(keys.new_text()))


def test_a_header_that_says_two_things_says_nothing(database: Database) -> None:
    gate = Gate(ServiceSettings(), KeyRing(database, 300.0))
    here, key = (b"host", b"localhost"), (b"authorization", b"Bearer " + made(database).encode())
    other = (b"authorization", b"Bearer " + made(database).encode())
    assert admitted(gate, Provenance.of([here, key, here, key])).tenant == "acme"
    for twice in ([here, key, other], [here, other, key], [here, key, (b"authorization", b"")]):
        with pytest.raises(UnauthorizedError):
            admitted(gate, Provenance.of(twice))
    for twice in ([here, (b"host", b"127.0.0.1")], [(b"host", b""), here]):
        with pytest.raises(ForbiddenError, match="Host"):
            gate.check_place(Provenance.of(twice))
    origins = [here, (b"origin", b"http://localhost"), (b"origin", b"https://localhost")]
    with pytest.raises(ForbiddenError, match="origins"):
        gate.check_place(Provenance.of(origins))


def test_a_key_ends_when_it_expires_without_a_word_of_the_database(database: Database) -> None:
    now = utc_now()
    text = made(database, expires_at=now + timedelta(hours=1))
    ring = KeyRing(database, 300.0, now=lambda: now)
    in_loop(ring.refresh)
    assert ring.find(text) is not None
    now += timedelta(hours=1)
    assert ring.find(text) is None


def test_a_revoked_key_is_gone_with_the_next_reading_and_a_new_one_is_there_at_once(
    database: Database,
) -> None:
    ring = KeyRing(database, 300.0)

    async def work() -> None:
        await ring.refresh()
        text = await asyncio.to_thread(made, database)
        assert ring.find(text) is None
        assert await ring.look_up(text) is not None
        with database.write() as session:
            keys.mark_revoked(session, keys.key_id(text) or "")
        await ring.refresh()
        assert ring.find(text) is None

    in_loop(work)


def test_known_keys_outlive_an_outage_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, clock = made(database), 0.0
    ring = KeyRing(database, 60.0, clock=lambda: clock)
    in_loop(ring.refresh)

    def away(self: KeyRing) -> None:
        raise UnavailableError("away", code="database_unavailable")

    monkeypatch.setattr(KeyRing, "_read", away)
    clock = 59.0
    with pytest.raises(UnavailableError, match="away"):
        in_loop(ring.refresh)
    assert ring.find(text) is not None
    with pytest.raises(UnavailableError):  # whether it is good cannot be known
        in_loop(lambda: ring.look_up(keys.new_text()))
    clock = 61.0
    with pytest.raises(UnavailableError, match="not reached for 60 s"):
        ring.find(text)
    # A wrong key is wrong, whatever is known of right ones.
    assert ring.find(text[:-1] + ("0" if text[-1] != "0" else "1")) is None


def test_the_comparison_is_of_whole_hashes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key of a known id and one of an unknown id take the same steps, on 32 bytes each."""
    text = made(database)
    ring = KeyRing(database, 60.0)
    in_loop(ring.refresh)
    compared: list[tuple[int, int]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr("service.security.key_ring.hmac.compare_digest", compare)
    for asked in (text, text[:-1] + ("0" if text[-1] != "0" else "1"), keys.new_text()):
        ring.find(asked)
    assert compared == [(32, 32)] * 3
