"""The server that everyone writes: FastAPI, pydantic and torch, by `async def` and by `def`.

    python plain.py PORT PROCESSES

`/async` computes on the event loop, `/threads` in the framework's threads.
"""

import sys

import uvicorn
from fastapi import FastAPI
from network import answers, network
from pydantic import BaseModel

app = FastAPI()
module = network()


class Rows(BaseModel):
    """The request."""

    instances: list[list[float]]


class Answer(BaseModel):
    """One row's answer."""

    label: str
    probabilities: dict[str, float]


class Answers(BaseModel):
    """The response."""

    predictions: list[Answer]


@app.post("/async")
async def on_the_loop(rows: Rows) -> Answers:
    """On the event loop."""
    return Answers.model_validate({"predictions": answers(module, rows.instances)})


@app.post("/threads")
def in_threads(rows: Rows) -> Answers:
    """In a thread."""
    return Answers.model_validate({"predictions": answers(module, rows.instances)})


if __name__ == "__main__":
    port, processes = map(int, sys.argv[1:3])
    uvicorn.run("plain:app", port=port, workers=processes, access_log=False, log_level="warning")
