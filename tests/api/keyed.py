"""An application that asks for keys, and keys for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from service.security import key_ring
from tests.api.client import Client, running
from worker.caller import Permission
from worker.settings import ServiceSettings
from worker.storage import keys


@contextmanager
def asking_for_keys(folder: Path, url: str, **settings: Any) -> Iterator[Client]:
    """The application, as it is where other machines reach it, but for the pause before keys that
    are not known are looked for: tests have very many of them.
    """
    asked = ServiceSettings(
        state=folder, database_url=url, keys="required", lease_seconds=300.0, **settings
    )
    with pytest.MonkeyPatch.context() as patch, running(asked) as client:
        patch.setattr(key_ring, "SPACING_SECONDS", 0.0)
        yield client


def key_of(
    client: Client,
    tenant: str,
    *permissions: Permission,
    expires_at: datetime | None = None,
) -> str:
    """A key with these scopes, or all."""
    with client.services.database.write() as session:
        made = keys.make_key(
            session, tenant=tenant, scopes=permissions or Permission, expires_at=expires_at
        )
    return made.text


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
