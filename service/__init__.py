"""What other programs talk to: the HTTP service, its pages and its command line.

Begin with ``app``, then ``routes``. The front of ``serving`` sees a request first, and answers
predictions itself. All others pass ``conventions`` and ``body_limit``; then an operation
(``operations``) asks ``security`` whether the caller may, and answers in a pool of threads.

The application:

``app, dependencies``                       the ASGI application; everything that is open while it
                                            runs
``routes``                                  a package: the operations, one resource a file
``schemas``                                 a package: the bodies of requests and answers
``operations, conventions``                 how an operation runs; what holds for all of them alike
``bodies, body_limit``                      JSON, forms and files as Python objects; none too large
``form_parser, reading_form``               uploads on disk while they arrive; how the file is to be
                                            read
``validation, hints``                       what is wrong with a request, as field paths with
                                            remedies
``errors, error_handlers``                  the table from domain errors to HTTP; every error as a
                                            problem document
``protocol_errors``                         errors as the clients of the Open Inference Protocol
                                            read them
``openapi, links, examples, docs``          the OpenAPI document, its links and examples; Swagger UI
                                            and ReDoc

What operations use:

``views, prediction_views, learnt_views``   from rows to bodies: jobs and models; predictions; what
                                            a model has learnt
``uploads, reading``                        from an uploaded file to a data set; a package: files
                                            are read in a process each
``estimate``                                what a job will cost
``waiting, notifier``                       `Prefer: wait`; waking whoever waits
``live``                                    a package: a job's events as a stream
``search_report, path_report, comparison``  reports of a search, of a path and of a comparison, from
                                            rows
``markdown_report, html_report``            the report as Markdown and as a page
``charts, exports``                         packages: pictures of a job; curves for TensorBoard,
                                            MLflow and CSV
``row_streams, streams``                    rows of a job as JSON, CSV or Parquet, piece by piece;
                                            files likewise
``model_files, exporter``                   model files as they are read here; models for other
                                            runtimes
``readiness``                               what works now and what does not

Models at work:

``serving``                                 a package: models in memory, batching, and the protocols
``security``                                a package: keys, scopes, rates, audit
``telemetry``                               a package: `/metrics`

Processes and connections:

``server, listening``                       uvicorn in one process; its port and its end
``connections, fair_listener``              HTTP connections within bounds; shared fairly between
                                            processes
``processes, api_process``                  several HTTP processes on one port; one of them
``threads``                                 pools of threads: what is slow never holds up what is
                                            quick

Commands:

``cli, run``                                `parsimony up`, `api`, `worker` and others; what they
                                            start
``terminal``                                a package: `parsimony submit`, `watch` and others, which
                                            ask a service
``maintenance``                             `gc`, `backup` and `restore`
``doctor, variables``                       what the machine offers; misspelt settings
``journal``                                 events of jobs in the terminal of `parsimony up`
``demo, installation``                      `make demo`; a service of its own for it and for tests

For people and programs:

``web``                                     a package: the dashboard and the guide
``client``                                  a package of its own, `parsimony`: the Python client
"""
