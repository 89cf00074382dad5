"""Alembic migrations, inside the package: an installed service upgrades its own database."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from worker.errors import UnavailableError

ADVISORY_LOCK = 0x7061727369  # "parsi": any number that all processes agree on


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, in the connection's open transaction.

    Raises ``UnavailableError`` for a schema that a newer release wrote; nothing is changed then.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise UnavailableError(
            f"the database has schema {current}, which a newer release wrote; "
            "install that release, or point PARSIMONY_STATE at another folder",
            code="schema_too_new",
        )
    command.upgrade(config, "head")
