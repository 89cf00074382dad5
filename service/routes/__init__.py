"""The operations, one resource a file. Thin: parse, call, answer."""
