"""What a loaded model weighs: what it keeps alive, each piece once."""

import numpy as np
import torch

from service.serving.weight import bytes_held

MEBIBYTE = 2**20


def test_memory_is_counted_once_and_whole() -> None:
    array = np.zeros(MEBIBYTE, np.uint8)
    tensor = torch.zeros(MEBIBYTE, dtype=torch.uint8)
    held = {
        "array": array,
        "part": array[:10],
        "tensor": tensor,
        "row": tensor[3:4],
        "again": array,
    }
    assert 2 * MEBIBYTE <= bytes_held(held) < 2 * MEBIBYTE + 10_000


def test_a_view_counts_what_it_keeps_alive() -> None:
    assert bytes_held([torch.zeros(MEBIBYTE, dtype=torch.uint8)[:1]]) > MEBIBYTE
    assert bytes_held([np.zeros(MEBIBYTE, np.uint8)[:1]]) > MEBIBYTE
    assert bytes_held([np.frombuffer(bytes(MEBIBYTE), np.uint8)[:1]]) > MEBIBYTE
    assert bytes_held([torch.zeros(MEBIBYTE, dtype=torch.uint8)[:1].numpy()]) > MEBIBYTE


def test_texts_count_and_the_program_does_not() -> None:
    network = torch.nn.Linear(100, 100)
    network.names = ["x" * MEBIBYTE]  # type: ignore[assignment]
    assert MEBIBYTE + 40_400 < bytes_held(network) < MEBIBYTE + 200_000
