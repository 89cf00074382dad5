"""What is measured of this process, and what `/metrics` shows of it and of the database.

``telemetry``          how a scrape is answered
``exposition``         what it shows, in Prometheus's format
``requests, process``  requests counted and timed; memory, descriptors, processor
``board``              where the processes of one port share what they have measured
"""
