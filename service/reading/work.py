"""What a reader does with its file: read, type, look at it, and write its table as Parquet."""

import errno
import io
import logging
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from service.reading.messages import Bounds, Description, ReadAnswer, ReadOrder, Refusal
from worker.data import (
    Table,
    TableStatistics,
    listed,
    meanwhile,
    read_table,
    report,
    rewrite_rows,
    understand,
)
from worker.errors import DataError, SpecError
from worker.jobs import checked_file, counted_file, findings_about
from worker.results import Advice, Understood
from worker.spec import JobSpec, Reading, Split
from worker.storage.faults import place_fault

log = logging.getLogger(__name__)

TABLE, ROWS = "table.parquet", "rows.arrow"
ANY_DATASET = "ds_00000000"
"""In place of an id, where a table is at hand."""
MOST_FINDINGS = 500
LARGE = 2**22
"""Bytes of a table that take the disk a while."""


WARMING = b"a,b,c,d,y\n" + b"".join(
    b"%d,%d.5,2024-05-%02d,%d kg,%s\n" % (row, row, row + 1, row, b"xy"[row % 2 :][:1])
    for row in range(20)
)
"""A file of all that is looked for in cells."""


def warm_up(folder: Path) -> None:
    """Read a small file, so that what is imported and compiled at first use is there; in a single
    thread, before any fork.
    """
    order = ReadOrder(
        folder=folder,
        filename=None,
        reading=Reading(columns={}),
        target="y",
        task="describe",
        bounds=Bounds(memory=0, processor_seconds=0, seconds=0.0, files=0, written=0),
    )
    answer = answer_to(order, io.BytesIO(WARMING))
    if answer.description is None:
        log.error("readers do not work here: %s", answer)


def answer_to(order: ReadOrder, file: BinaryIO) -> ReadAnswer:
    """Do what an order says. Whatever a file does to its reader is told, and not raised."""
    try:
        return _read(order, file)
    except (DataError, SpecError) as error:
        return ReadAnswer(refusal=Refusal.of(error))
    except MemoryError:
        return ReadAnswer(exhausted=True)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return ReadAnswer(exhausted=True)
        if isinstance(error, OSError) and error.errno and place_fault(error) is not None:
            return ReadAnswer(fault=error.errno)
        log.exception("a file cannot be read, and it is not known why")
        return ReadAnswer(failed=type(error).__name__)


def _read(order: ReadOrder, file: BinaryIO) -> ReadAnswer:
    if order.task == "rows":
        rewrite_rows(file, order.folder / ROWS)
        return ReadAnswer()
    if order.data is not None and order.task == "count":
        counted = counted_file(file, order.data, lambda: _table(order, file))
        return ReadAnswer(statistics=counted)
    if order.data is not None:
        return ReadAnswer(checked=checked_file(file, order.data, lambda: _table(order, file)))
    table = _table(order, file)
    if order.target is not None:
        table.column(order.target, param="target")
    path = order.folder / TABLE
    if order.task != "describe":
        table.write_parquet(path)
        return ReadAnswer()
    with meanwhile(partial(_write, table, path), table.nbytes):
        found = _described(table, order.target)
    return ReadAnswer(description=found)


def _write(table: Table, path: Path) -> None:
    """Write the table; a large one is on the disk when this returns, since it will be stored."""
    with path.open("wb") as file:
        table.write_parquet(file)
        if file.tell() >= LARGE:
            file.flush()
            os.fsync(file.fileno())


def _table(order: ReadOrder, file: BinaryIO) -> Table:
    return read_table(file, order.filename, order.reading)


def _described(table: Table, target: str | None) -> Description:
    target = target or table.target
    statistics = TableStatistics.of(table, target)
    table = replace(table, counts={one.column.name: one for one in statistics.columns})
    understood, refusal = _understood(table, target)
    findings = [*refusal, *findings_about(table, target, MOST_FINDINGS)]
    columns = report(table)
    return Description(
        rows=table.rows,
        target=target,
        columns=columns,
        summary=listed(columns, len(findings)),
        findings=findings,
        understood=understood,
        statistics=statistics,
    )


def _understood(table: Table, target: str | None) -> tuple[Understood | None, list[Advice]]:
    """What a job would predict; or, where it cannot be learned, why not, as a finding."""
    if target is None:
        return None, []
    spec = JobSpec(dataset=ANY_DATASET, target=target, split=Split(validation=0.0), columns={})
    try:
        return understand(table, spec), []
    except DataError as error:
        evidence = {name: value for name, value in error.extra.items() if name != "change"}
        reason = Advice(
            severity="warning",
            code=error.code,
            field=error.param,
            column=target,
            message=error.message,
            evidence=evidence,
            change=error.extra.get("change"),
            fix="A job on this target is refused as it stands. Name another target or task in the "
            "job, or correct the cells and upload the file again.",
        )
        return None, [reason]
