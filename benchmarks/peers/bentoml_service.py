"""BentoML's service for the network, as its documentation writes one.

bentoml serve bentoml_service:Network --port PORT
"""

import os

import bentoml
from network import answers, network


@bentoml.service(
    workers=int(os.environ.get("PROCESSES", "1")),
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Network:
    """The network behind `/predict`."""

    def __init__(self) -> None:
        self.module = network()

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> list[dict[str, object]]:
        """The answers of some rows."""
        return answers(self.module, instances)
