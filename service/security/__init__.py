"""Security: keys, scopes, hosts and origins, request rates, and the record of who did what.

``gate``      from the headers of a request to who asks. The page to begin with
``callers``   what each operation demands of whoever asks
``key_ring``  all keys, in memory
``rates``     requests a key may send in a window of time, over all processes
``refusals``  the errors of this package
``auditor``   a line for each change and each refusal
``commands``  `parsimony keys`, and what a start demands of keys
"""
