"""Rows of a file, in and out: read a block at a time, written back with columns appended.

A reader is fed a file as it comes and gives blocks of some thousands of rows; a writer takes a
block and what was computed of it. Neither holds more than a block, so a file may have any length.

``block``      what readers give and writers take
``delimited``  CSV
``header``     its head, where the columns are known: layout, and where each stands
``ends``       where its records end, found without parsing cells
``decoding``   text in any encoding, as UTF-8
``lines``      lines of JSON (NDJSON)
``columnar``   Parquet
``truth``      the target column, if the file has it
``writers``    CSV, NDJSON and Parquet with the answers appended
"""
