"""What is kept: the database, which is the truth, and the artefacts that it points at.

Begin with ``states`` and ``fleets``: each draws its state machine. Functions take an open session,
so the caller decides what is one transaction. Nothing here imports torch.

Jobs and fleets:

``states``                   the states of jobs, fleets and trials, and the kinds of jobs
``fleets``                   a fleet is claimed, kept alive, given back and ended; the lease that
                             allows it
``jobs``                     a job is created, listed, cancelled and counted
``outcome``                  what a job comes to: its winner so far, and its final state
``additions``                fleets and trials are added to a job; a fleet is split
``pauses``                   a job is paused and resumed
``progress``                 what a running fleet records: metrics of its epochs, checkpoints
``curves``                   those metrics at rest: a row an epoch, then packed
``predictions``              jobs that score a stored data set, part by part
``deletion``                 jobs, versions and models are deleted

Who is next, and why something waits:

``turns``                    scheduling: which fleet a worker takes next, and which one yields to
                             another
``waits``                    why a job waits, its position in the queue, its expected start
``workers``                  the registry of workers
``suspects``                 which fleet takes its workers down again and again
``quotas``                   how much each tenant stores and runs, and its limits
``faults``                   whether an error is the work's own or the environment's

Questions that change nothing:

``queries``                  fleets, trials, settings and results, as the rest of the program asks
                             for them
``live``                     what watchers of running jobs poll for
``census, counters``         what is queued and running now, and what has happened: for ``/metrics``
``page``                     pages of rows, newest first

Other records:

``datasets``                 uploaded data sets
``models``                   registered models, their versions and aliases
``catalogue``                the same as servers keep it in memory, with the revision that they
                             follow
``events``                   the log of a job
``idempotency``              the header ``Idempotency-Key``
``keys, audit``              API keys, with the revision that processes follow; who did what
``webhooks``                 whom to tell of the ends of jobs, and what is still to be delivered
``retention``                what may be removed: by age, or because nothing refers to it

The database itself:

``database``                 sessions on SQLite or PostgreSQL
``postgresql``               connections whose time limits hold when the server is frozen or
                             unreachable
``limits``                   how long the database may take, by who asks
``tables``                   most tables; the others stand in the module that uses them
``types``                    column types, identifiers, clocks and the base class of all tables
``documents``                JSON in a column, compressed
``schema, migrations``       whether a database has the schema that is needed; Alembic's revisions

Files:

``artefacts``                data sets, checkpoints and results: whole and verified, in a folder or
                             a store
``object_stores``            opens S3 and other filesystems with time limits
``contents, local_folders``  what a file shall hold, with size and hash; a folder that appears whole
``matrices``                 encoded data sets on a machine's disk, whose pages its trainers share
``backup``                   copies of SQLite and its folder, taken while they are in use

What other rooms use are the modules listed below, and what those define without ``_``.
"""

__all__ = [
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
