"""Rows of a file, in and out: read a block at a time, written back with columns appended.

A reader is fed a file as it comes and gives blocks of some thousands of rows; a writer takes a
block and what was computed of it. Neither holds more than a block, so a file may have any length.
"""
