"""What a GPU asks of the engine, as far as it can be seen on a processor.

The rest is in ``benchmarks/gpu.py``, which needs one.
"""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.fleets import fleet
from tests.vocabulary import EXAMPLES
from worker.networks.dense import affine, back, outer
from worker.training import compute_exactly
from worker.training.fleet import update
from worker.training.losses import cross_entropy_slope
from worker.training.metrics import CELLS, GPU_CELLS

ASKING = {
    "_local_scalar_dense",  # item, float, int, bool, tolist
    "equal",
    "is_nonzero",
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "bincount",
    "repeat_interleave",
    "lift_fresh",  # torch.tensor of numbers: a copy from the host
}
"""Operations that wait for the device, or copy to it from memory that may change."""


class Asked(TorchDispatchMode):
    """Notes what is asked of the device within a block."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        chosen_by_mask = name in ("index", "index_put", "index_put_") and any(
            isinstance(index, Tensor) and index.dtype == torch.bool
            for index in tree_leaves(args[1])
        )
        if name in ASKING or chosen_by_mask:
            self.names[name] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_step_asks_the_device_for_nothing(name: str) -> None:
    """It could not be captured as a CUDA graph."""
    for stage in EXAMPLES[name].stages:
        for run in stage(*({name: one} for one in EXAMPLES[name].settings)):
            engine = run.engine
            engine.streams.fixed = True
            engine.start_epoch(1)
            run.step(0)  # random numbers are drawn outside of a graph
            rate = torch.full((len(run.members), 1), 0.1, dtype=torch.float64)
            with Asked() as asked:
                update(engine, engine.batch(0), rate, torch.tensor(2.0, dtype=torch.float64))
            asked.names["lift_fresh"] -= 1  # the step's number, here
            assert not +asked.names


def test_a_question_is_noticed() -> None:
    x = torch.arange(4.0)
    with Asked() as asked:
        float(x.sum())
        x[x > 1]
        torch.tensor([1.0])
    assert asked.names == {"_local_scalar_dense": 1, "index": 1, "lift_fresh": 1}


class Called(TorchDispatchMode):
    """Counts what is called within a block."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("device", "calls"), [("cuda", 1), ("cpu", 5)])
def test_products_of_odd_sizes_are_one_kernel_on_a_gpu(device: str, calls: int) -> None:
    """On a processor there is one for each trial, so that a trial is rounded alike in any fleet."""
    with FakeTensorMode(), torch.no_grad(), Called() as called:
        h, w, g = (torch.empty(5, *shape, device=device) for shape in ((13, 7), (7, 3), (13, 3)))
        affine(h, w, torch.empty(5, 3, device=device))
        outer(h, g)
        back(g, w)
    assert called.names["bmm"] == 3 * calls


def test_the_slope_of_cross_entropy_scatters_nothing_on_a_gpu() -> None:
    """What is subtracted there instead is the same to the bit."""
    scores, y = torch.randn(3, 8, 17), torch.randint(17, (3, 8))
    slope = cross_entropy_slope(scores, y)
    expected = scores.softmax(2) - torch.nn.functional.one_hot(y, 17)
    assert torch.equal(slope, expected)
    with FakeTensorMode(), Called() as called:
        labels = torch.empty(3, 8, dtype=torch.int64, device="cuda")
        cross_entropy_slope(torch.empty(3, 8, 5, device="cuda"), labels)
    assert not [name for name in called.names if "scatter" in name]


def test_a_gpu_measures_more_rows_at_a_time() -> None:
    engine = fleet(network={"kind": "mlp", "hidden": [50]}).engine
    assert engine.rows_measured == CELLS // 50
    with FakeTensorMode():
        engine.data.x = torch.empty(1, 2, device="cuda")
    assert engine.rows_measured == GPU_CELLS // 50


def test_computing_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set for a whole process, and put back here."""
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    try:
        compute_exactly()
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(False)
