"""Serving: models in memory, requests joined into batches, and the doors that lead to them.

A door reads one protocol. All doors ask the same engine, so that a row has the same answer at each.
"""
