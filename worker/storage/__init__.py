"""What is kept: the database, which is the truth, and the artefacts that it points at.

======================  ============================================================================
``fleets``              the life of a fleet: claimed, kept alive, given back, ended; leases
``jobs``                the life of a job: created, cancelled, concluded; its leaderboard and winner
``pauses``              a job stands still, and goes on
``additions``           fleets and trials that are added to a job, and fleets that are split
``progress``            what a running fleet records: epochs, checkpoints
``turns``               whose turn it is: which fleet a worker takes next, and which one yields
``quotas``              what a tenant has of the place, and may have
``queries``             what is asked and changes nothing: what waits, what runs, results, curves
``datasets, models``    uploaded data sets; registered models, their versions and aliases
``predictions``         data sets that are scored: jobs of another kind, and their parts
``workers``             the registry of workers
``queue_places``        why a queued job waits, where it stands, when it may begin
``catalogue``           models as servers keep them in memory, and the number by which they follow
``deletion``            jobs, versions and models are deleted
``curves``              the metrics of epochs, row by row or packed
``live``                what watchers of jobs ask, again and again
``retention``           what is kept no longer: by itself, by age, or because nobody refers to it
``audit``               who did what
``keys``                keys of the HTTP service, and the number by which processes follow them
``webhooks``            whom to tell of the ends of jobs, and what is still to be told
``events, idempotency`` a job's log; keys that make one job
``census, counters``    what waits and runs now; what happened, counted for ever
``tables, states``      the schema; ``types``, ``page`` and ``migrations`` serve it
``database``            sessions on SQLite or PostgreSQL; ``postgresql`` connects within limits
``limits``              how long the database is waited for, and by whom
``schema``              whether a database has the schema that this release works on
``artefacts, contents`` whole, verified files, in a folder or an object store
``matrices``            encoded data sets on this machine's disk, of which trainers share the pages
``backup``              copies of SQLite and a folder, taken while they are written
``faults, waits``       whose fault an error is; what waits for its place, and who goes on
``suspects``            which fleet takes its workers down
======================  ============================================================================

Functions take an open session: whoever calls says what is one transaction. Nothing here imports
torch. What other rooms use are the modules listed below, and what those define without ``_``.
"""

__all__ = [
    "access",
    "additions",
    "artefacts",
    "audit",
    "backup",
    "catalogue",
    "census",
    "contents",
    "counters",
    "curves",
    "database",
    "datasets",
    "deletion",
    "events",
    "faults",
    "fleets",
    "idempotency",
    "jobs",
    "keys",
    "limits",
    "live",
    "matrices",
    "models",
    "pauses",
    "predictions",
    "progress",
    "queries",
    "queue_places",
    "quotas",
    "retention",
    "schema",
    "states",
    "suspects",
    "tables",
    "turns",
    "types",
    "waits",
    "webhooks",
    "workers",
]
