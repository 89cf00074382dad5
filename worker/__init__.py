"""What trains: a pure core, and its edge.

The core imports no database, no HTTP, no Celery and no files; ``tests/test_architecture.py`` reads
the imports and fails where it does. docs/architecture.md draws the same and says why.

The core:

``spec``            what a job says: types only
``regularization``  one technique a file: settings and mathematics
``networks``        networks with a leading trial dimension
``data``            reading, typing, splitting and encoding tables
``training``        a fleet, an epoch, a step
``models``          the model file, the trained model, its certificate, its answers
``search``          from a job to fleets, and what is next
``advice``          rules about a job and its data
``appraisal``       the networks of a job compared on held-back rows
``results``         what training and searching come to, as types
``metrics``         the metrics and their arithmetic
``statistics``      means of a few numbers, with standard errors and intervals
``schema``          the base classes of all typed objects
``errors``          the errors of the core
``shapes``          shapes of tensors, checked while tests run

The edge:

``storage``         the database and the artefacts
``jobs``            the use cases: accept a job, finish a fleet
``runtime``         supervisors, trainers, the doorbell
``settings``        one environment variable a setting
``shares``          the share of each tenant, as set
``caller``          who asks, and what that allows
``webhook_target``  where a webhook may be sent
``logs``            the form of log lines

Tools of both:

``lru``             a bounded cache
``text``            which characters names may have, and how they are shown
``failpoints``      points at which tests make a process die
"""
