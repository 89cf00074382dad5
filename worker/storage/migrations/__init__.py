"""Alembic migrations, inside the package: an installed service upgrades its own database."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from worker.errors import UnavailableError
from worker.storage.schema import SchemaState, record_readable_from

ADVISORY_LOCK = 0x7061727369  # "parsi": any number that all processes agree on
HEAD = "head"


def upgrade(connection: Connection, target: str = HEAD) -> SchemaState:
    """Bring the schema to a revision, in the connection's open transaction; how it was before.

    A schema that a newer release wrote stays as it is. ``UnavailableError`` where this release
    cannot work on it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
    before = SchemaState.of(connection)
    if before.is_newer or before.current == before.needed:
        if not before.fits:
            raise UnavailableError(before.sentence, code="schema_too_new")
        return before
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, target)
    scripts = ScriptDirectory.from_config(config)
    if target == HEAD:
        record_readable_from(connection, max(map(_readable_from, scripts.walk_revisions())))
    return before


def needed() -> tuple[str, frozenset[str]]:
    """This release's schema, and all that it knows how to come from."""
    scripts = ScriptDirectory.from_config(_config())
    head = scripts.get_current_head()
    if head is None:
        raise RuntimeError("there are no migrations")
    return head, frozenset(script.revision for script in scripts.walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _readable_from(script: object) -> str:
    """The oldest schema whose releases still work after a migration: its own, unless it says so."""
    module = script.module  # type: ignore[attr-defined]
    return str(getattr(module, "readable_from", module.revision))
