"""The bodies that go over the wire, each field described and with an example.

Where the worker has a type already (``worker.results``, ``worker.spec``), it is sent as it is, and
there is nothing here.

``common``                         what all bodies share: base class, pages, problems
``datasets, jobs, results, rows``  as the routes of these names
``models, learnt, predictions``    likewise
``techniques, webhooks, audit``    likewise
``serving``                        models at work
``live``                           events of a stream that are no lines of the log
``oip, invocations``               the protocols of other servers
``health``                         probes and the installation
"""
