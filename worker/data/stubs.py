"""Stand-ins on this branch alone, for what the branch `reading` brings under the same names."""

from collections.abc import Mapping

from worker.data.table import Table
from worker.results import Advice


def declare(table: Table, columns: Mapping[str, str]) -> Table:
    """The table without the columns that are to be ignored."""
    kept = [column for column in table.columns if columns.get(column.name) != "ignore"]
    return Table.of(
        [(column, table.values[column.name]) for column in kept],
        target=table.target,
        parts=table.parts,
        findings=table.findings,
        ignored=[name for name in table.names if columns.get(name) == "ignore"],
    )


def target_findings(table: Table, target: str) -> list[Advice]:
    """Nothing."""
    return []
