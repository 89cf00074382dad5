"""What is kept: the database, which is the truth, and the artefacts that it points at.

======================  ============================================================================
``fleets``              the life of a fleet: claimed, kept alive, given back, ended; leases
``jobs``                the life of a job: created, cancelled, concluded; its leaderboard and winner
``additions``           fleets and trials that are added to a job, and fleets that are split
``progress``            what a running fleet records: epochs, checkpoints
``queries``             what is asked and changes nothing: what waits, what runs, results, curves
``datasets, models``    uploaded data sets; registered models, their versions and aliases
``predictions``         data sets that are scored: jobs of another kind, and their parts
``catalogue``           models as servers keep them in memory, and the number by which they follow
``events, idempotency`` a job's log; keys that make one job
``tables, states``      the schema; ``types``, ``page`` and ``migrations`` serve it
``database``            sessions on SQLite or PostgreSQL
``artefacts``           whole, verified files, in a folder or an object store
``faults, waits``       whose fault an error is; what waits for its place, and who goes on
======================  ============================================================================

Functions take an open session: whoever calls says what is one transaction. Nothing here imports
torch. What other rooms use are the modules listed below, and what those define without ``_``.
"""

__all__ = [
    "additions",
    "artefacts",
    "catalogue",
    "database",
    "datasets",
    "events",
    "faults",
    "fleets",
    "idempotency",
    "jobs",
    "models",
    "predictions",
    "progress",
    "queries",
    "states",
    "tables",
    "types",
    "waits",
]
