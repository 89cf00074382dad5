"""``parsimony gc``: what was removed, or would be, for people and for programs."""

from itertools import chain

import orjson
from rich.console import Console
from rich.table import Table

from worker.runtime.collector import Collector
from worker.settings import ServiceSettings
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database


def collect(
    settings: ServiceSettings, console: Console, *, dry_run: bool, as_json: bool, force: bool
) -> None:
    """Remove what is kept no longer, and say what it was."""
    database = Database(settings.database_url)
    collector = Collector(settings, database, Artefacts(settings.artefacts_url))
    try:
        removed = [
            *chain(
                collector.collect(dry_run=dry_run),
                collector.sweep(dry_run=dry_run, force=force),
            )
        ]
    finally:
        database.close()
    total = sum(removal.bytes for removal in removed)
    if as_json:
        body = {"dry_run": dry_run, "bytes": total, "removed": [vars(one) for one in removed]}
        console.out(orjson.dumps(body).decode(), highlight=False)
        return
    if removed:
        table = Table("what", "", "bytes", box=None, pad_edge=False)
        table.columns[2].justify = "right"
        for removal in removed:
            table.add_row(removal.kind, removal.what, f"{removal.bytes:,}")
        console.print(table)
    verb = "would be removed" if dry_run else "removed"
    console.print(f"{len(removed)} of these, {total:,} bytes of files: {verb}.")
