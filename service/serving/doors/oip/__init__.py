"""The Open Inference Protocol, version 2 (KServe, Triton): tensors as JSON and as bytes.

``infer``                 the door: a request in, a reply out
``requests, tensors``     the body of a request; one tensor, in both forms
``rows, outputs``         tensors as the rows of a model; answers as tensors
``metadata, statistics``  what a model takes and gives; how often it was asked, in Triton's words
"""
