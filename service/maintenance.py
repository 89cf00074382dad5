"""What ``parsimony gc``, ``backup`` and ``restore`` do, and what they print of it."""

from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from worker.runtime.collector import Collector
from worker.settings import ServiceSettings
from worker.storage import backup
from worker.storage.artefacts import Artefacts
from worker.storage.backup import BackupError, Copied
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


def back_up(settings: ServiceSettings, folder: Path, console: Console) -> None:
    """Take a copy, and say what it holds."""
    try:
        release = version("parsimony")
    except PackageNotFoundError:
        release = "0"
    try:
        copied = backup.create(settings, folder, release=release)
    except OSError as error:
        raise _failed("taken", error) from error
    console.print(f"{_content(copied)} in {folder}", soft_wrap=True, markup=False)
    for path in copied.left_out:
        console.print(
            f"  left out: {path}, which was removed meanwhile or is damaged", markup=False
        )


def bring_back(folder: Path, state: Path, console: Console) -> None:
    """Restore a copy, and say how to start from it."""
    try:
        copied = backup.restore(folder, state)
    except OSError as error:
        raise _failed("restored", error) from error
    console.print(f"{_content(copied)} in {state}; all hashes are right", markup=False)
    console.print(f"start it by: parsimony up --state {state}", soft_wrap=True, markup=False)


def _content(copied: Copied) -> str:
    taken = copied.created_at.isoformat(sep=" ", timespec="seconds")
    return f"{copied.files} files, {copied.bytes / 1e6:,.1f} MB, as of {taken},"


def _failed(what: str, error: OSError) -> BackupError:
    place = f" ({error.filename})" if error.filename else ""
    return BackupError(f"the backup cannot be {what}: {error.strerror or error}{place}")
