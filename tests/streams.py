"""Random streams for tests of single techniques and layers."""

from worker.regularization.random_streams import RandomStreams, Stream


def stream(trials: int = 1, seed: int = 0) -> Stream:
    """A place's stream of so many trials, each with a seed of its own; every call draws anew."""
    return RandomStreams([seed * 1000 + trial for trial in range(trials)]).at("test")
