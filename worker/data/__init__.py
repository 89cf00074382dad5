"""Data: reading, typing, splitting and encoding tables. Arrays in, arrays out; no database.

The way of a file: its bytes are read into columns of text, the columns are typed as numbers, dates
or categories (a ``Table``), a job resolves what of it is the target and divides the rows, an
encoder is fitted on the training rows, and what trains are float32 matrices (``Prepared``). A
prediction's records take the same way, by the same encoder. Begin with ``table`` and ``dataset``.

From a file to a table:

``formats``                which reader a file goes to, by its content
``reading``                what all readers share: limits, errors, names of columns
``lookalikes``             files that are no tables, recognized by how they begin: HTML, PDF,
                           spreadsheets
``delimited``              CSV: from bytes to a typed table
``dialect, header``        how a CSV file is written: encoding, separator, what precedes the header;
                           whether there is one
``delimited_text``         how its text is split into lines and cells
``plain_blocks``           its plain numbers, block by block
``parquet, npz``           Parquet files; files of NumPy arrays
``images, archive``        a zip of folders of images, one a class; zip archives, checked before
                           unpacking
``arrow_records``          from Arrow columns, a block at a time, to a table
``builtin``                the data sets that need no upload
``rows``                   a package: files read and written block by block, for predictions of any
                           length

The types of columns:

``table``                  a table: typed columns of equal length, held column by column
``text_column, cells``     a column of text, and how columns of text become typed ones
``notation``               how a column writes numbers: decimal sign, separators, units, signs
``dates, calendar``        texts that are dates; the numbers that a date becomes
``mixture``                columns in which numbers and texts stand together
``few, patterns``          the same for few texts, by Python; patterns, by Arrow or by Python
``declared``               kinds of columns that the user stated
``parts``                  tables in parts: from a file that is read on demand, or from memory
``side_by_side``           several columns at the same time, in threads

What is worth knowing about a table:

``text_findings, drafts``  findings about columns of text, and how they get their columns and rows
``doubts, findings``       columns that may mean something else; constant columns, identifiers,
                           codes
``copies``                 features that repeat the target
``statistics``             what is counted once, so that a job can be checked without reading the
                           cells
``report``                 a table as people see it: figures, first rows, categories
``output``                 a table as it is written for other programs

What a job makes of a table:

``job_data``               target and features of a job
``target, resolution``     the target; which column it is, for which task, and why
``target_errors``          targets that cannot be used as they are, with remedies
``roles``                  columns that weight rows or offset scores
``division, splits``       which division a job asks for; the rows that train, validate and test
``grouping, time_order``   groups that stay together; the past trains, the future validates
``dataset``                ``Prepared``: what a fleet trains on. The page to begin with
``synthetic``              made-up rows, on which the speed of training is measured

From a table to the inputs of a network:

``inputs, input_lines``    what each column becomes and what it is called; inputs that are linear in
                           their column
``encoder, fitting``       the encoder, part of every model; how it is fitted on the training rows
``scaling, pixels``        how numbers, and the pixels of images, are centred and scaled
``joint_encoder``          several encoders of the same columns, for an ensemble over folds
``encoding``               what identifies an encoded matrix, so that it can be kept and shared

Records of a prediction:

``records``                from the instances of a request to a table
``plain, joint_plain``     the fast way, for rows in which everything is ordinary; for ensembles
``arrays, nested``         rows as columns of arrays; images and series as nested JSON
``pictures``               PNG and JPEG files
``cell_texts``             texts of cells, read as the column was read in training
``category_index``         from a text to its category, and to the nearest one
``matching``               columns of a data set as those of a model, by name
``expectations``           what a model was trained for, and how far a request departs from it
``extremes``               the cell that lies furthest out, to explain a metric that is not finite

What other rooms use is listed below.
"""

from worker.data.arrays import check_numbers, is_numeric, read_arrays
from worker.data.builtin import load_builtin
from worker.data.calendar import DAYS, FIRST_DAY, LAST_DAY
from worker.data.copies import target_findings
from worker.data.dataset import DividedRows, Outline, Prepared, prepare, sample
from worker.data.declared import declare
from worker.data.delimited import read_csv
from worker.data.drafts import more_findings
from worker.data.encoder import Encoder, EncoderSchema
from worker.data.encoding import Encoded, EncodingPlan, dump_encoders, leave_pages, load_encoders
from worker.data.expectations import Expectations
from worker.data.extremes import ExtremeCell, extreme_cell
from worker.data.formats import read_table
from worker.data.input_lines import input_lines
from worker.data.inputs import number_inputs
from worker.data.job_data import understand
from worker.data.joint_encoder import JointEncoder
from worker.data.joint_plain import plain_reader
from worker.data.matching import Matching, kinds_to_declare
from worker.data.notation import Notation
from worker.data.output import output_columns
from worker.data.parts import StoredTable, TableInMemory, TableParts, read_when_asked, row_blocks
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
from worker.data.synthetic import synthetic_rows
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
    "category_page",
    "check_numbers",
    "declare",
    "dump_encoders",
    "extreme_cell",
    "harmless_line",
    "harmless_table",
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
    "row_blocks",
    "sample",
    "stored_report",
    "synthetic_rows",
    "target_findings",
    "true_values",
    "understand",
    "written_ranges",
]
