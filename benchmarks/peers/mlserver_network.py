"""MLServer's runtime for the network: a custom `MLModel`, as its documentation writes one.

    python mlserver_network.py PORT PROCESSES   writes its settings into a folder and starts it

One process: in the process that answers HTTP (`parallel_workers` 0); two: its default pool.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

import torch
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from network import network


class Network(MLModel):
    """The network behind `/v2/models/m/infer`."""

    async def load(self) -> bool:
        """Load it."""
        self._module = network()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The probabilities."""
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        with torch.no_grad():
            probabilities = self._module(torch.from_numpy(rows)).softmax(1).numpy()
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output("probabilities", probabilities)],
        )


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


async def serve(port: int, processes: int) -> None:
    """Until it is told to stop."""
    grpc, metrics = free_ports(2)
    settings = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=grpc,
        metrics_port=metrics,
        debug=False,
        parallel_workers=processes if processes > 1 else 0,
    )
    model = ModelSettings(name="m", implementation="mlserver_network.Network")
    server = MLServer(settings)
    await server.start([model])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        logging = Path(folder) / "logging.json"
        logging.write_text(json.dumps({"version": 1}))
        here = str(Path(__file__).resolve().parent)
        os.environ["PYTHONPATH"] = here
        os.chdir(folder)
        asyncio.run(serve(*map(int, sys.argv[1:3])))
