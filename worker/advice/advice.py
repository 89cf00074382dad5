"""One finding."""

from worker.results.trial import Advice

__all__ = ["Advice"]
