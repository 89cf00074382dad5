"""The Open Inference Protocol, version 2 (KServe, Triton): tensors as JSON and as bytes.

``tensors``      one tensor, read and written in both forms
``requests``     a request's body: tensors, outputs that are asked for, parameters
``rows``         the tensors of a request as the rows of a model
``outputs``      a model's answers as tensors, and the reply that holds them
``metadata``     what a model takes and gives, in the words of KServe and of Triton
``statistics``   how often models were asked, in the words of Triton
``infer``        the door
"""
