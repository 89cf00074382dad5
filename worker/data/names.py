"""Names of columns that a file brings: present, short enough, each its own."""

from collections.abc import Sequence

from worker.errors import DataError

LONGEST = 200
"""Characters of a column's name."""


def check_names(names: Sequence[str], *, columns: int) -> None:
    """Refuse names that a job could not use.

    Raises:
        DataError: there are none, or more than `columns`; one is empty, too long, or taken twice.
    """
    if not names:
        raise _error("The file has no columns.", "no_columns")
    if len(names) > columns:
        raise _error(
            f"The file has {len(names):,} columns; at most {columns:,} are read.",
            "too_many_columns",
        )
    seen: set[str] = set()
    for position, name in enumerate(names, start=1):
        if not name.strip() or len(name) > LONGEST:
            raise _error(
                f"Column {position} must have a name of 1 to {LONGEST} characters, not "
                f"{name[:40]!r}{'…' if len(name) > 40 else ''}. Rename it.",
                "invalid_name",
            )
        if name in seen:
            raise _error(
                f"The name {name!r} is that of two columns. Give each column its own name.",
                "duplicate_column",
            )
        seen.add(name)


def _error(message: str, code: str) -> DataError:
    return DataError(message, code=code, param="file")
