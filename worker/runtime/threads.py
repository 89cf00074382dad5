"""How many CPU threads a fleet trains with."""

SMALL_STEP = 10_000_000
"""Multiplications of one forward pass below which a second thread costs more than it brings:
measured on two cores, 2-50-50-1 to 2-1024-1024-1 networks, 1 to 64 trials, batches of 32 to 256."""


def threads_for(*, trials: int, batch_size: int, parameters: int, limit: int) -> int:
    """One for small steps, else ``limit``.

    It depends on the job and the settings alone, never on the load of the machine, because final
    weights are the same bits only for the same number of threads.
    """
    return 1 if trials * batch_size * parameters < SMALL_STEP else limit
