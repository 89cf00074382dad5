"""The use cases of jobs, free of HTTP: accept one; finish a fleet and plan what follows.

Imports torch: for trainer processes and the HTTP service.
"""
