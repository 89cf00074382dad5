"""Data: reading, typing, splitting and encoding tables. Arrays in, arrays out; no database."""

from worker.data.arrays import check_numbers, is_numeric, read_arrays
from worker.data.bins import bin_edges
from worker.data.builtin import load_builtin
from worker.data.calendar import DAYS, FIRST_DAY, LAST_DAY
from worker.data.copies import target_findings
from worker.data.dataset import DividedRows, Outline, Prepared, prepare, sample
from worker.data.declared import declare
from worker.data.delimited import read_csv
from worker.data.drafts import more_findings
from worker.data.encoder import Encoder, EncoderSchema
from worker.data.encoding import Encoded, EncodingPlan, dump_encoders, load_encoders
from worker.data.expectations import Expectations
from worker.data.extremes import ExtremeCell, extreme_cell
from worker.data.formats import read_table
from worker.data.imagined import imagined
from worker.data.input_lines import input_lines
from worker.data.inputs import number_inputs
from worker.data.job_data import understand
from worker.data.joint_encoder import JointEncoder
from worker.data.joint_plain import plain_reader
from worker.data.mapped import leave_pages
from worker.data.matching import Matching, kinds_to_declare
from worker.data.notation import Notation
from worker.data.output import output_columns
from worker.data.parts import StoredTable, TableInMemory, TableParts
from worker.data.plain import PlainReader
from worker.data.reading import FileLimits
from worker.data.records import Records
from worker.data.report import (
    Cell,
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
    written_ranges,
)
from worker.data.resolution import resolve_target
from worker.data.rows.block import Form, RowBlock, RowReader
from worker.data.rows.columnar import ParquetRows, rewrite_rows
from worker.data.rows.delimited import DelimitedRows
from worker.data.rows.lines import JsonRows
from worker.data.rows.truth import true_values
from worker.data.rows.writers import DelimitedWriter, JsonWriter, ParquetWriter, RowWriter, quoted
from worker.data.scaling import SOFT_LIMIT
from worker.data.side_by_side import meanwhile
from worker.data.spreadsheets import harmless_line, harmless_table
from worker.data.statistics import CellsNeededError, TableStatistics
from worker.data.stored_columns import read_when_asked
from worker.data.table import LARGEST, Column, Table
from worker.data.target import Target, is_known

__all__ = [
    "DAYS",
    "FIRST_DAY",
    "LARGEST",
    "LAST_DAY",
    "SOFT_LIMIT",
    "Cell",
    "CellsNeededError",
    "Column",
    "ColumnReport",
    "DelimitedRows",
    "DelimitedWriter",
    "DividedRows",
    "Encoded",
    "Encoder",
    "EncoderSchema",
    "EncodingPlan",
    "Expectations",
    "ExtremeCell",
    "FileLimits",
    "Form",
    "JointEncoder",
    "JsonRows",
    "JsonWriter",
    "Listed",
    "ListedColumn",
    "Matching",
    "Notation",
    "Outline",
    "ParquetRows",
    "ParquetWriter",
    "PlainReader",
    "Prepared",
    "Preview",
    "Records",
    "RowBlock",
    "RowReader",
    "RowWriter",
    "StoredTable",
    "Table",
    "TableInMemory",
    "TableParts",
    "TableStatistics",
    "Target",
    "ValueCount",
    "bin_edges",
    "category_page",
    "check_numbers",
    "declare",
    "dump_encoders",
    "extreme_cell",
    "harmless_line",
    "harmless_table",
    "imagined",
    "input_lines",
    "is_known",
    "is_numeric",
    "kinds_to_declare",
    "leave_pages",
    "listed",
    "load_builtin",
    "load_encoders",
    "meanwhile",
    "more_findings",
    "number_inputs",
    "output_columns",
    "plain_reader",
    "prepare",
    "preview",
    "quoted",
    "read_arrays",
    "read_csv",
    "read_table",
    "read_when_asked",
    "report",
    "resolve_target",
    "rewrite_rows",
    "sample",
    "stored_report",
    "target_findings",
    "true_values",
    "understand",
    "written_ranges",
]
