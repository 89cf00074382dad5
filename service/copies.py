"""What the commands `backup` and `restore` say of what they do."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from worker.settings import ServiceSettings
from worker.storage import backup
from worker.storage.backup import BackupError, Copied


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
