"""Steps that read what changes from tensors, as a CUDA graph needs them; and when one is used.

The capture itself needs a GPU, which these tests do not have: a stand-in for it replays the update
that was captured, on whatever the tensors hold by then.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch

from tests.fleets import ADAM, fleet, trained
from tests.vocabulary import EXAMPLES
from worker.training.engine import Engine
from worker.training.fleet import update
from worker.training.stepping import CapturedSteps, LaunchedSteps, side_stream

TECHNIQUES = {
    "l1": {"strength": 1e-3, "method": "proximal"},
    "l2": {"strength": 1e-3},
    "weight_decay": {"strength": 1e-2},
    "dropout": {"p": 0.3},
    "max_norm": {"norm": 1.0},
}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_numbers_from_tensors_make_the_same_steps(optimizer: str) -> None:
    """Rates and the step's number as tensors, instead of floats: the same weights."""
    training = {**ADAM, "epochs": 1, "optimizer": {"kind": optimizer, "learning_rate": 0.01}}
    plain, tensors = (fleet(regularization=TECHNIQUES, training=training) for _ in "ab")
    for run in (plain, tensors):
        run.engine.start_epoch(0)
    rate = torch.tensor([[0.01]], dtype=torch.float64)
    for batch in range(plain.engine.batches):
        plain.step(batch)
        number = torch.tensor(batch + 1.0, dtype=torch.float64)
        tensors.engine.streams.start_step(batch)
        update(tensors.engine, tensors.engine.batch(batch), rate, number)
    torch.testing.assert_close(
        plain.engine.parameters.values, tensors.engine.parameters.values, rtol=1e-6, atol=1e-8
    )


def test_steps_on_a_processor_are_not_captured() -> None:
    """Graphs are for CUDA."""
    assert isinstance(fleet(training={**ADAM, "epochs": 1}).step, LaunchedSteps)


class Graph:
    """Replays by updating again."""

    steps: CapturedSteps

    def replay(self) -> None:
        (held,) = (index for graph, index in self.steps._graphs.values() if graph is self)
        self.steps._update(self.steps._engine, held, self.steps._rate, self.steps._number)


class Stream:
    """Waits for nothing."""

    made = 0

    def __init__(self, device: object = None) -> None:
        type(self).made += 1

    def wait_stream(self, other: object) -> None:
        """There is nothing to wait for."""


@contextmanager
def recorded(graph: Graph, stream: object) -> Iterator[None]:
    yield


@contextmanager
def refused(graph: Graph, stream: object) -> Iterator[None]:
    yield
    raise RuntimeError("operation not permitted when stream is capturing")


def stand_in(monkeypatch: pytest.MonkeyPatch, capture: object) -> list[object]:
    """Put something in CUDA's place; the streams that are set as present ones."""
    cuda = torch.cuda
    present: list[object] = [Stream()]
    side_stream.cache_clear()
    monkeypatch.setattr(cuda, "device", nullcontext)
    monkeypatch.setattr(cuda, "Stream", Stream)
    monkeypatch.setattr(cuda, "current_stream", lambda: present[-1])
    monkeypatch.setattr(cuda, "set_stream", present.append)
    monkeypatch.setattr(cuda, "stream", nullcontext)
    monkeypatch.setattr(cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(cuda, "graph", capture)
    return present


def train(engine: Engine, step: Callable[[int], None], epochs: int) -> torch.Tensor:
    for epoch in range(epochs):
        engine.start_epoch(epoch)
        for batch in range(engine.batches):
            step(batch)
    return engine.parameters.values


@pytest.mark.parametrize(("capture", "graphs"), [(recorded, 2), (refused, 0)])
def test_graphed_steps_are_those_that_are_launched(
    monkeypatch: pytest.MonkeyPatch, capture: object, graphs: int
) -> None:
    """Warm-up leaves nothing behind; each size of batch has its graph; or all steps are launched.

    Rates differ from trial to trial and from epoch to epoch.
    """
    stand_in(monkeypatch, capture)
    monkeypatch.setattr(Stream, "made", 0)
    members = [
        {
            "name": f"{n}",
            "training": {
                **ADAM,
                "batch_size": 300,
                "epochs": 3,
                "optimizer": {"kind": "adam", "learning_rate": 0.01 * (n + 1)},
                "schedule": {"kind": "step", "every": 1, "factor": 0.5},
            },
        }
        for n in range(3)
    ]
    run, other = (
        fleet(regularization=TECHNIQUES, compare=members),
        fleet(regularization=TECHNIQUES, compare=members).engine,
    )
    plain = run.engine
    other.streams.fixed = True
    Graph.steps = CapturedSteps(other, update)
    assert other.batches == 3, "the last batch is smaller"
    assert torch.equal(train(plain, run.step, 3), train(other, Graph.steps, 3))
    assert torch.equal(plain.objective, other.objective)
    assert len(Graph.steps._graphs) == graphs
    assert Stream.made == 1, "one for all captures"


def test_a_refused_capture_leaves_the_stream_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch stays on the stream of a capture that fails."""
    present: list[object] = []

    @contextmanager
    def refused_elsewhere(graph: Graph, stream: object) -> Iterator[None]:
        present.append(stream)
        yield
        raise RuntimeError("operation not permitted when stream is capturing")

    present = stand_in(monkeypatch, refused_elsewhere)
    before = present[-1]
    engine = fleet(training={**ADAM, "epochs": 1}).engine
    engine.streams.fixed = True
    engine.start_epoch(0)
    CapturedSteps(engine, update)(0)
    assert len(present) == 3
    assert present[-1] is before


@pytest.mark.parametrize("name", ["lookahead", "ema", "swa"])
def test_averages_are_taken_after_each_replay(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    stand_in(monkeypatch, recorded)
    settings = {"steps": 2} if name == "lookahead" else {}
    runs = [
        fleet(regularization={**TECHNIQUES, name: settings}, training={**ADAM, "epochs": 2})
        for _ in "ab"
    ]
    runs[1].engine.streams.fixed = True
    Graph.steps = runs[1].step = CapturedSteps(runs[1].engine, update)
    for run in runs:
        trained(run)
    assert len(Graph.steps._graphs) == 1
    assert torch.equal(runs[0].finals.tensors["weights"], runs[1].finals.tensors["weights"])


REPLACED = {"order", "rate", "_tape", "_first", "_entered", "_last", "_ahead"}
"""What a step is given, what one step's way forth leaves for its way back, and random numbers of
further steps, of which the present step's are copied to where a graph reads them."""


def places(here: object, path: str, found: dict[str, int], seen: set[int]) -> dict[str, int]:
    """Where the memory of each tensor below an object lies."""
    if id(here) in seen:
        return found
    seen.add(id(here))
    inside: dict[str, object] = {}
    if isinstance(here, torch.Tensor):
        found[path] = here.data_ptr()
    elif isinstance(here, dict):
        inside = {str(name): value for name, value in here.items()}
    elif isinstance(here, list | tuple):
        inside = {str(number): value for number, value in enumerate(here)}
    elif isinstance(here, torch.nn.Module) or (
        type(here).__module__.startswith("worker.") and hasattr(here, "__dict__")
    ):
        inside = vars(here)
    for name, value in inside.items():
        if name not in REPLACED:
            places(value, f"{path}.{name}", found, seen)
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_graph_has_read_stays_where_it_is(name: str) -> None:
    """A new epoch and a step change tensors in place: a replay knows no others."""
    for stage in EXAMPLES[name].stages:
        (run, *_) = stage(*({name: one} for one in EXAMPLES[name].settings))
        run.engine.streams.fixed = True
        found = []
        for epoch in (0, 3):
            run.engine.start_epoch(epoch)
            run.step(0)
            found.append(places(run.engine, "", {}, set()))
        assert len(found[0]) > 10
        assert found[0] == found[1]
