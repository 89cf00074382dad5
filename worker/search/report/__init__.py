"""What a search found: the report, from records of its configurations. Pure: no rows, no HTTP."""
