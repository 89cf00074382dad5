"""Inference: load → certify → eval → predict. Knows no HTTP."""

from service.inference.engine import Engine

__all__ = ["Engine"]
