"""The demonstration: a user's two experiments, over HTTP alone."""

from service.demo.run import run

__all__ = ["run"]
