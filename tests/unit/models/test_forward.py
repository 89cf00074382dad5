"""The pass that answers: a row has the same bits alone, anywhere and in any batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.networks_at_rest import at_rest
from worker.models.forward import RowForward, RowNumbers, compile_forward, mean_scores
from worker.networks import Network
from worker.spec import TaskKind

MLP = {"kind": "mlp", "hidden": [50, 7]}
CASES: list[tuple[dict[str, Any], tuple[int, ...], dict[str, Any], TaskKind, int]] = [
    ({"kind": "linear"}, (5,), {}, "regression", 1),
    ({"kind": "mlp", "hidden": [256, 256]}, (20,), {"batch_norm": {}}, "multiclass", 1),
    (MLP | {"activation": "gelu"}, (13,), {"layer_norm": {}}, "binary", 3),
    (MLP | {"activation": "silu"}, (1,), {"batch_norm": {}}, "multiclass", 2),
    (MLP | {"activation": "selu"}, (3, 5), {}, "regression", 3),
    ({"kind": "residual_mlp", "width": 24, "blocks": 2, "activation": "tanh"}, (13,),
     {"batch_norm": {}, "shake_shake": {}}, "binary", 1),
    ({"kind": "cnn", "channels": [8, 16], "hidden": [32], "activation": "gelu"}, (3, 12, 12),
     {"batch_norm": {}}, "multiclass", 1),
]  # fmt: skip


def outputs(task: TaskKind) -> int:
    return 10 if task == "multiclass" else 1


def rows_of(shape: tuple[int, ...], count: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal((count, *shape), dtype=np.float32)


@pytest.fixture(scope="module", params=range(len(CASES)))
def case(request: pytest.FixtureRequest) -> tuple[Network, RowForward, Any, Any]:
    """A network and its pass, rows, and what the pass makes of them all at once."""
    spec, shape, techniques, task, members = CASES[request.param]
    network = at_rest(spec, shape, outputs(task), techniques, members)
    forward = compile_forward(network, members, task, shape)
    rows = rows_of(shape, 2 * forward.rows_per_chunk + 75)
    return network, forward, rows, forward(rows)


def test_any_rows_have_the_bits_that_they_have_among_all(
    case: tuple[Network, RowForward, Any, Any],
) -> None:
    _, forward, rows, together = case

    @given(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=40), st.booleans())
    @settings(max_examples=30)
    def check(picked: list[int], many: bool) -> None:
        count = len(picked) + forward.rows_per_chunk * many
        places = np.resize(np.array(picked), count)
        assert forward(rows[places]).tobytes() == together[places].tobytes()

    check()
    for count in range(1, 70):
        part = slice(count % 7, count % 7 + count)
        assert forward(rows[part]).tobytes() == together[part].tobytes(), count


def test_mates_of_any_size_are_no_matter(case: tuple[Network, RowForward, Any, Any]) -> None:
    _, forward, rows, together = case
    mates = rows[:20] * np.float32(1e30)
    assert forward(np.concatenate([mates, rows[:9]]))[20:].tobytes() == together[:9].tobytes()


def test_threads_and_memory_are_no_matter(case: tuple[Network, RowForward, Any, Any]) -> None:
    _, forward, rows, together = case
    assert forward(rows, threads=3).tobytes() == together.tobytes()
    scattered = np.concatenate([rows, rows], axis=1)[:, : rows.shape[1]]
    assert forward(scattered).tobytes() == together.tobytes()


def test_the_pass_is_the_network(case: tuple[Network, RowForward, Any, Any]) -> None:
    network, forward, rows, together = case
    members = next(network.parameters()).shape[0]
    with torch.inference_mode():
        scores = network(torch.from_numpy(rows).expand(members, *rows.shape))
        mean = scores[0]
        if members > 1:
            mean = mean_scores(forward.task, scores[None], torch.tensor([members]))[0]
    assert forward(rows).shape == mean.shape
    np.testing.assert_allclose(together, mean.numpy(), rtol=0, atol=3e-6 * float(mean.abs().max()))


def test_no_rows_have_no_scores() -> None:
    forward = compile_forward(at_rest(MLP, (13,), 4), 1, "multiclass", (13,))
    assert forward(rows_of((13,), 0)).shape == (0, 4)


def told(network: Network, tell: Callable[[Tensor], Tensor]) -> RowForward:
    """The pass of a network that says three of its inputs, and what else it is to tell of rows;
    exact on any machine, unlike products.
    """
    network.register_forward_hook(lambda _, rows, __: rows[0][..., :3] + tell(rows[0]))
    return compile_forward(network, 1, "multiclass", (13,))


@pytest.mark.parametrize(
    ("period", "numbers"),
    [(10**6, RowNumbers(4, 1024)), (16, RowNumbers(8, 8)), (1, RowNumbers(1, 1))],
)
def test_kernels_that_look_at_places_are_given_fewer_of_them(
    period: int, numbers: RowNumbers
) -> None:
    """Multiples where places are alike, blocks that are smaller than what differs, single rows."""
    forward = told(
        at_rest(MLP, (13,), 3), lambda x: (torch.arange(x.shape[1]) // period % 2)[:, None]
    )
    assert forward.numbers == numbers
    rows = rows_of((13,), 37)
    alone = np.concatenate([forward(row[None]) for row in rows])
    assert forward(rows).tobytes() == alone.tobytes()


def test_kernels_that_look_at_the_number_of_rows_are_given_one_number() -> None:
    forward = told(at_rest(MLP, (13,), 3), lambda x: torch.tensor(float(x.shape[1])))
    assert forward.numbers == RowNumbers(8, 8)
    assert forward.multiple == forward.rows_per_chunk == 8
