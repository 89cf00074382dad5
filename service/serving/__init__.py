"""Serving: models in memory, requests joined into batches, and the protocols that lead to them.

A *door* reads one protocol and writes its answers. All doors ask the same engine, so that a row has
the same answer at each.

``engine``                    what every door asks: finds the model, reads rows, has them computed.
                              Begin here
``registry``                  which loaded model answers to a name: loaded, certified, switched,
                              drained
``catalogue``                 what names, versions and aliases mean, in memory
``cache, residents, weight``  loaded models within a bound of bytes; one such model; what it takes
``joiner``                    rows of different requests, computed together: the micro-batches of
                              one model
``statistics``                how often and how long a model answers, and how unusual its rows are

Requests whose speed matters:

``front, connection``         an ASGI callable before the application; connections that ask it first
``express``                   plain predictions, from the bytes of a request to those of its answer
``doors``                     a package: one file or package a protocol
``encodings, forms``          gzip and deflate; a form with one file, read as it comes
``outbox``                    answers that are made and not yet sent
"""
