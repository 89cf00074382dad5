"""An export in a process of its own: what it refuses and what becomes of one that does not end."""

import json

import pytest

from service.exporter import export_apart
from tests.exported import ORIGIN, mixed_table, model_of
from worker.errors import ModelError
from worker.models.export.export import single
from worker.models.export.program import request


def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(ModelError, match=r"longer than 0\.01 s and was given up") as caught:
        export_apart(b"", ORIGIN, "pt2", seconds=0.01)
    assert caught.value.code == "export_failed"


def test_a_request_is_a_line_and_a_file() -> None:
    line, data = request(ORIGIN, "pt2", b"a\nb").split(b"\n", 1)
    assert json.loads(line) == {
        "origin": {"name": "a model", "version": 3, "sha256": "0" * 64},
        "to": "pt2",
    }
    assert data == b"a\nb"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_error_of_the_process_is_the_one_that_is_told() -> None:
    with pytest.raises(ModelError, match="cannot be read") as caught:
        export_apart(b"no model", ORIGIN, "onnx")
    assert caught.value.code == "invalid_model"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_file_of_a_process_is_that_of_a_thread() -> None:
    from worker.models.export import export

    data, _ = model_of(mixed_table("binary"), network={"kind": "linear"})
    alone = single(data, 0, {})
    assert export_apart(alone, ORIGIN, "onnx") == export(alone, ORIGIN, "onnx")
