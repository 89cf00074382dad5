"""Networks whose parameters carry a leading trial dimension."""

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
