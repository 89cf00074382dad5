"""Data: reading, typing, splitting and encoding tables. Arrays in, arrays out; no database."""

from worker.data.builtin import load_builtin
from worker.data.dataset import Outline, Prepared, prepare, sample
from worker.data.delimited import parse_csv, read_csv
from worker.data.encoder import Encoder, EncoderSchema
from worker.data.formats import read_table
from worker.data.reading import Limits
from worker.data.records import table_from_records
from worker.data.splits import RowSplit, split_rows
from worker.data.table import Categories, Column, Table
from worker.data.target import Target, labelled_rows, resolve_target

__all__ = [
    "Categories",
    "Column",
    "Encoder",
    "EncoderSchema",
    "Limits",
    "Outline",
    "Prepared",
    "RowSplit",
    "Table",
    "Target",
    "labelled_rows",
    "load_builtin",
    "parse_csv",
    "prepare",
    "read_csv",
    "read_table",
    "resolve_target",
    "sample",
    "split_rows",
    "table_from_records",
]
