"""Data: reading, typing, splitting and encoding tables. Arrays in, arrays out; no database."""

from worker.data.builtin import load_builtin
from worker.data.dataset import Outline, Prepared, prepare, sample
from worker.data.delimited import read_csv
from worker.data.encoder import Encoder, EncoderSchema
from worker.data.formats import read_table
from worker.data.records import table_from_records
from worker.data.report import (
    ColumnReport,
    Listed,
    ListedColumn,
    Preview,
    ValueCount,
    category_page,
    listed,
    preview,
    report,
    stored_report,
)
from worker.data.stubs import declare, target_findings
from worker.data.table import Column, Table
from worker.data.target import Target, resolve_target

__all__ = [
    "Column",
    "ColumnReport",
    "Encoder",
    "EncoderSchema",
    "Listed",
    "ListedColumn",
    "Outline",
    "Prepared",
    "Preview",
    "Table",
    "Target",
    "ValueCount",
    "category_page",
    "declare",
    "listed",
    "load_builtin",
    "prepare",
    "preview",
    "read_csv",
    "read_table",
    "report",
    "resolve_target",
    "sample",
    "stored_report",
    "table_from_records",
    "target_findings",
]
