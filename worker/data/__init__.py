"""Data: reading, typing, splitting and encoding tables. Arrays in, arrays out; no database."""

from worker.data.builtin import load_builtin
from worker.data.copies import target_findings
from worker.data.dataset import Outline, Prepared, prepare, sample
from worker.data.declared import declare
from worker.data.delimited import read_csv
from worker.data.encoder import Encoder, EncoderSchema
from worker.data.formats import read_table
from worker.data.records import table_from_records
from worker.data.table import Column, Table
from worker.data.target import Target, resolve_target

__all__ = [
    "Column",
    "Encoder",
    "EncoderSchema",
    "Outline",
    "Prepared",
    "Table",
    "Target",
    "declare",
    "load_builtin",
    "prepare",
    "read_csv",
    "read_table",
    "resolve_target",
    "sample",
    "table_from_records",
    "target_findings",
]
