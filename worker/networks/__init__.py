"""Networks whose parameters carry a leading trial dimension.

K networks of one structure are one module: every weight is ``[K, …]``, rows are ``[K, B, …]``, and
a layer is one batched product. Begin with ``network`` and ``dense``.

Networks:

``network, build``      a network of K trials; how one is built from its specification
``linear, mlp``         regressions; the perceptron
``residual_mlp, cnn``   the residual network; the convolutional one
``layout``              how many weights each layer has, without building it
``parameters``          all weights of a fleet as one matrix ``[K, P]``

Layers:

``affine``              what dense and convolutional layers share: weights, biases, initialization
``dense, convolution``  the two of them, with pooling
``activations``         nonlinearities and their derivatives
``embedding``           numbers that enter through an embedding
``slots``               where dropout, normalization and noise are inserted

Faster ways to the same numbers:

``chain``               backpropagation written out for a chain of dense layers
``program``             the forward pass in eval mode, written out
``embedding_step``      embeddings as a step of it
``joint``               the forward pass of an ensemble: one product a layer
"""

from worker.networks.activations import alike
from worker.networks.affine import Affine
from worker.networks.build import build_network, count_parameters
from worker.networks.chain import DenseChain, by_hand
from worker.networks.cnn import Cnn
from worker.networks.convolution import Convolution, Pool
from worker.networks.embedding import Embedding, PeriodicEmbedding, PiecewiseLinearEmbedding
from worker.networks.joint import JointNetwork, JointPart, JointProgram, join_programs
from worker.networks.layout import Layout, lay_out
from worker.networks.linear import Linear
from worker.networks.mlp import Mlp
from worker.networks.network import Network
from worker.networks.parameters import Parameters
from worker.networks.products import kernels, quick
from worker.networks.program import Program, write_programs
from worker.networks.residual_mlp import ResidualMlp

__all__ = [
    "Affine",
    "Cnn",
    "Convolution",
    "DenseChain",
    "Embedding",
    "JointNetwork",
    "JointPart",
    "JointProgram",
    "Layout",
    "Linear",
    "Mlp",
    "Network",
    "Parameters",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "Pool",
    "Program",
    "ResidualMlp",
    "alike",
    "build_network",
    "by_hand",
    "count_parameters",
    "join_programs",
    "kernels",
    "lay_out",
    "quick",
    "write_programs",
]
