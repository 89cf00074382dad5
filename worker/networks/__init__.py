"""Networks whose parameters carry a leading trial dimension."""

from worker.networks.activations import alike
from worker.networks.build import build_network, count_parameters
from worker.networks.chain import DenseChain, by_hand
from worker.networks.layout import Layout, lay_out
from worker.networks.network import Network
from worker.networks.parameters import Parameters
from worker.networks.program import write_programs

__all__ = [
    "DenseChain",
    "Layout",
    "Network",
    "Parameters",
    "alike",
    "build_network",
    "by_hand",
    "count_parameters",
    "lay_out",
    "write_programs",
]
