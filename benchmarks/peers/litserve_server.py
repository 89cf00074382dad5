"""LitServe with its defaults: one worker for the model, beside the process that answers HTTP.

python litserve_server.py PORT PROCESSES
"""

import sys
from typing import Any

import litserve
import torch
from network import answers, network


class Network(litserve.LitAPI):
    """The network behind `/predict`."""

    def setup(self, device: str) -> None:
        """Load it."""
        self.module = network()

    def decode_request(self, request: dict[str, Any]) -> list[list[float]]:
        """The rows."""
        rows: list[list[float]] = request["instances"]
        return rows

    def predict(self, x: list[list[float]]) -> list[dict[str, object]]:
        """Their answers."""
        return answers(self.module, x)

    def encode_response(self, output: list[dict[str, object]]) -> dict[str, object]:
        """As JSON."""
        return {"predictions": output}


if __name__ == "__main__":
    port, processes = map(int, sys.argv[1:3])
    torch.set_num_threads(1)
    litserve.LitServer(Network(), accelerator="cpu", workers_per_device=processes).run(
        host="127.0.0.1",
        port=port,
        num_api_servers=processes,
        log_level="warning",
        generate_client_file=False,
    )
