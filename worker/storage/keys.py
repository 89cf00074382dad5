"""The keys of the HTTP service: made, revoked, listed; and the number by which processes follow.

A key reads ``pk_<16 hex digits>_<64 hex digits>``: the number of its row, and 256 random bits. Kept
is its SHA-256. What is drawn from 2²⁵⁶ cannot be tried out, so that a salt or a slow hash, which
are for passwords, would only make each request dearer; a pepper would have to lie beside the
database in every process that it was to be hidden from.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from worker.caller import Permission
from worker.errors import NotFoundError
from worker.storage.types import Base, utc_now

FORM = re.compile(r"pk_([0-9a-f]{16})_[0-9a-f]{64}", re.ASCII)


class ApiKey(Base):
    """A key of the HTTP service: what recognizes it, never what it is."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    name: Mapped[str | None]
    """A label for people."""
    sha256: Mapped[str]
    """Of the whole key. It has 256 random bits, so that neither salt nor slowness would add."""
    scopes: Mapped[str]
    """In one order, with spaces between."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class KeyState(Base):
    """One row: how often keys were made or revoked. Who has seen it has seen all keys."""

    __tablename__ = "key_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of a key that is good, or was until it expired."""

    id: str
    tenant: str
    sha256: bytes
    scopes: frozenset[Permission]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that was just made. Its text is shown once, and kept by nobody here."""

    text: str
    row: ApiKey


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """All keys at some revision."""

    revision: int
    keys: tuple[StoredKey, ...]


def new_text() -> str:
    """A key, of 256 random bits."""
    return f"pk_{secrets.token_hex(8)}_{secrets.token_hex(32)}"


def key_id(text: str) -> str | None:
    """The id of the row that a key names; none where that is no key."""
    match = FORM.fullmatch(text)
    return f"key_{match[1]}" if match else None


def digest(text: str) -> bytes:
    """What a key is recognized by."""
    return hashlib.sha256(text.encode()).digest()


def scopes_of(row: ApiKey) -> frozenset[Permission]:
    """What a key is good for."""
    return frozenset(Permission(scope) for scope in row.scopes.split())


def make_key(
    session: Session,
    *,
    tenant: str,
    scopes: Iterable[Permission],
    expires_at: datetime | None = None,
    name: str | None = None,
) -> MadeKey:
    """Make a key."""
    text = new_text()
    row = _add(session, text, tenant, scopes, expires_at, name)
    return MadeKey(text, row)


def adopt_key(
    session: Session, text: str, *, tenant: str, scopes: Iterable[Permission], name: str
) -> bool:
    """Take a key that was made elsewhere, unless it is known; whether it was taken.

    A key that was revoked stays so, however often it is brought.

    Raises ``ValueError`` where that is no key.
    """
    known = key_id(text)
    if known is None:
        raise ValueError("not a key")
    _next_revision(session)  # first: who takes the same one meanwhile waits here
    if session.get(ApiKey, known) is not None:
        return False
    _add(session, text, tenant, scopes, None, name)
    return True


def mark_revoked(session: Session, identifier: str) -> ApiKey:
    """Let a key be good for nothing from now on; revoking twice changes nothing.

    Raises ``NotFoundError`` where there is no such key.
    """
    row = session.get(ApiKey, identifier, with_for_update=True)
    if row is None:
        raise NotFoundError(f"there is no key {identifier}; `parsimony keys list` has them all")
    if row.revoked_at is None:
        row.revoked_at = utc_now()
        session.flush()
        _next_revision(session)
    return row


def all_keys(session: Session, *, tenant: str | None = None) -> list[ApiKey]:
    """All keys, revoked ones too, the oldest first; of one tenant, if given."""
    query = select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)
    if tenant is not None:
        query = query.where(ApiKey.tenant == tenant)
    return list(session.scalars(query))


def any_good(session: Session) -> bool:
    """Whether there is a key that is neither revoked nor expired."""
    good = ApiKey.revoked_at.is_(None) & or_(
        ApiKey.expires_at.is_(None), ApiKey.expires_at > utc_now()
    )
    return bool(session.scalar(select(func.count()).select_from(ApiKey).where(good)))


def key_changes(session: Session, seen: int | None) -> KeyChanges | None:
    """All keys that are not revoked; none where nothing changed since a revision."""
    revision = session.scalars(select(KeyState.revision)).one()
    if revision == seen:
        return None
    rows = session.scalars(select(ApiKey).where(ApiKey.revoked_at.is_(None)))
    return KeyChanges(
        revision,
        tuple(
            StoredKey(row.id, row.tenant, bytes.fromhex(row.sha256), scopes_of(row), row.expires_at)
            for row in rows
        ),
    )


def _add(
    session: Session,
    text: str,
    tenant: str,
    scopes: Iterable[Permission],
    expires_at: datetime | None,
    name: str | None,
) -> ApiKey:
    wanted = set(scopes)
    row = ApiKey(
        id=key_id(text),
        tenant=tenant,
        name=name,
        sha256=digest(text).hex(),
        scopes=" ".join(scope for scope in Permission if scope in wanted),
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    _next_revision(session)
    return row


def _next_revision(session: Session) -> None:
    session.execute(update(KeyState).values(revision=KeyState.revision + 1))
