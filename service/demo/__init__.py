"""The demonstration: a user's three experiments, over HTTP alone."""

from service.demo.run import run

__all__ = ["run"]
