"""What `parsimony keys` does, and what a start asks of keys."""

from collections.abc import Callable
from datetime import datetime, timedelta

import orjson
from rich.console import Console

from worker.caller import DEFAULT_TENANT, Caller, Permission
from worker.errors import SpecError, UnavailableError
from worker.settings import ServiceSettings
from worker.storage import audit, keys, schema
from worker.storage.database import Database
from worker.storage.keys import ApiKey
from worker.storage.limits import REPORT_SECONDS
from worker.storage.types import utc_now

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
NO_KEYS = (
    "{host} is reached from other machines, and there is no key: make one by `parsimony keys "
    "create`, or listen on 127.0.0.1"
)


def database_of(settings: ServiceSettings) -> Database:
    """The database of the settings, with the schema of this release."""
    settings.prepare_state()
    database = Database(settings.database_url)
    try:
        schema.make_ready(database)
    except BaseException:
        database.close()
        raise
    return database


def print_new_key(
    settings: ServiceSettings,
    console: Console,
    *,
    tenant: str,
    scopes: str,
    expires: str | None,
    name: str | None,
) -> None:
    """Make a key, and show it, once."""
    wanted, until = read_scopes(scopes), read_expiry(expires, utc_now())
    if not tenant or len(tenant) > 64 or not tenant.replace("-", "").replace("_", "").isalnum():
        raise SpecError(
            "tenant: give a name of at most 64 letters, digits, - and _", param="tenant"
        )
    database = database_of(settings)
    try:
        with database.write() as session:
            made = keys.make_key(session, tenant=tenant, scopes=wanted, expires_at=until, name=name)
            audit.add_line(session, operator(tenant), "cli.keys.create", made.row.id)
    finally:
        database.close()
    console.print(made.text, markup=False)
    told = Console(stderr=True, highlight=False, soft_wrap=True)
    address = f"http://{'127.0.0.1' if settings.is_local else settings.host}:{settings.port}"
    told.print(
        f"This is shown once. Its id is {made.row.id}, by which it is listed and revoked.\n"
        f"curl -H 'Authorization: Bearer {made.text}' {address}/v1/jobs",
        markup=False,
    )


def operator(tenant: str) -> Caller:
    """Who gives commands: for a tenant, without a key."""
    return Caller(tenant, None, frozenset(Permission))


def print_audit(
    settings: ServiceSettings, write: Callable[[str], None], *, tenant: str | None
) -> None:
    """Write the audit, a JSON object a line."""
    database = database_of(settings)
    try:
        with database.read(statement=REPORT_SECONDS) as session:
            for row in audit.audit_lines(session, tenant=tenant):
                line = {
                    "id": row.id,
                    "at": row.at,
                    "tenant": row.tenant,
                    "key_id": row.key_id,
                    "action": row.action,
                    "resource": row.resource,
                    "outcome": row.outcome,
                    "request_id": row.request_id,
                }
                write(orjson.dumps(line, option=orjson.OPT_UTC_Z).decode())
    finally:
        database.close()


def print_keys(settings: ServiceSettings, console: Console, *, tenant: str | None) -> None:
    """List the keys, without what they are."""
    database = database_of(settings)
    try:
        with database.read() as session:
            rows = keys.all_keys(session, tenant=tenant)
    finally:
        database.close()
    lines = [("id", "tenant", "scopes", "made", "expires", "state", "name")]
    for row in rows:
        expires = "never" if row.expires_at is None else _shown(row.expires_at)
        state = _state(row, utc_now())
        made = _shown(row.created_at)
        lines.append((row.id, row.tenant, row.scopes, made, expires, state, row.name or ""))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        console.print("  ".join(cells).rstrip(), markup=False)


def print_revoked(settings: ServiceSettings, console: Console, identifier: str) -> None:
    """Let a key be good for nothing; all processes know it within a second."""
    database = database_of(settings)
    try:
        with database.write() as session:
            row = keys.mark_revoked(session, identifier)
            audit.add_line(session, operator(row.tenant), "cli.keys.revoke", row.id)
    finally:
        database.close()
    console.print(f"{row.id} of tenant {row.tenant} is revoked.", markup=False)


def check_start(settings: ServiceSettings, database: Database) -> None:
    """Take the key that the settings bring; refuse to be reached from elsewhere without any.

    Raises:
        UnavailableError: the service would be reached from elsewhere, and there is no key.
    """
    adopt_first_key(settings, database)
    if not settings.needs_keys:
        return
    with database.read() as session:
        if not keys.any_good(session):
            raise UnavailableError(NO_KEYS.format(host=settings.host or "every address"))


def adopt_first_key(settings: ServiceSettings, database: Database) -> None:
    """Take the key that the settings bring, unless it is known.

    Raises ``UnavailableError`` where it is none.
    """
    if settings.first_key is None:
        return
    text = settings.first_key.get_secret_value().strip()
    identifier = keys.key_id(text)
    if identifier is None:
        raise UnavailableError("first_key: it is no key; `parsimony keys generate` writes one")
    scopes = frozenset(Permission)
    with database.write() as session:
        if keys.adopt_key(session, text, tenant=DEFAULT_TENANT, scopes=scopes, name="first"):
            audit.add_line(session, operator(DEFAULT_TENANT), "cli.keys.adopt", identifier)


def read_scopes(text: str) -> frozenset[Permission]:
    """Scopes, with commas between.

    Raises ``SpecError`` where there is another word.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not set(words) <= set(Permission):
        raise SpecError(
            f"scopes: give some of {', '.join(Permission)}, with commas", param="scopes"
        )
    return frozenset(map(Permission, words))


def read_expiry(text: str | None, now: datetime) -> datetime | None:
    """When a key ends: `90d`, `12h`, `30m`, or an instant of ISO 8601; none without a text.

    Raises ``SpecError`` where it is neither, or past.
    """
    if text is None:
        return None
    wrong = SpecError(
        "expires: give a time such as 90d, 12h or 30m, or an instant to come such as "
        "2030-01-31T12:00:00Z",
        param="expires",
    )
    try:
        if text[-1:] in UNITS and text[:-1].isdecimal():
            until = now + int(text[:-1]) * UNITS[text[-1]]
        else:
            until = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise wrong from None
    if until.tzinfo is None or until <= now:
        raise wrong
    return until


def _state(row: ApiKey, now: datetime) -> str:
    if row.revoked_at is not None:
        return f"revoked {_shown(row.revoked_at)}"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "good"


def _shown(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
