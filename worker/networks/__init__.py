"""Networks whose parameters carry a leading trial dimension."""

from worker.networks.build import build_network, count_parameters
from worker.networks.chain import DenseChain
from worker.networks.network import Network
from worker.networks.parameters import Parameters
from worker.networks.slots import Slots
from worker.regularization import stacks

__all__ = [
    "DenseChain",
    "Network",
    "Parameters",
    "Slots",
    "build_network",
    "count_parameters",
    "stacks",
]
