"""A job's specification as a file."""

import io
from pathlib import Path

import pytest

from parsimony import ParsimonyError
from service.terminal.spec_file import read_spec


def written(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_has_the_scalars_of_json(tmp_path: Path) -> None:
    text = """
    {strength: 1e-4, loss: -.5, whole: 3, name: no, time: 12:30, day: 2026-01-31, off: off,
     zip: 04109, nothing: null, flag: true, text: "1e-4"}
    """
    assert read_spec(written(tmp_path, "job:" + text))["job"] == {
        "strength": 1e-4,
        "loss": -0.5,
        "whole": 3,
        "name": "no",
        "time": "12:30",
        "day": "2026-01-31",
        "off": "off",
        "zip": "04109",
        "nothing": None,
        "flag": True,
        "text": "1e-4",
    }


def test_json_is_read_as_json(tmp_path: Path) -> None:
    assert read_spec(written(tmp_path, '{"a": [1e-4, "no"]}')) == {"a": [1e-4, "no"]}


def test_the_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("dataset: {builtin: circle}\n"))
    assert read_spec(Path("-")) == {"dataset": {"builtin": "circle"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": }', "line 1, column 7"),
        ("a: [1, 2\nb: 3", "line 2"),
        ("a: 1\na: 2", "'a' is given twice"),
        ('{"b": {"a": 1, "a": 2}}', "'a' is given twice"),
        ("- a", "holds no object"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ParsimonyError, match=said):
        read_spec(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParsimonyError, match="cannot be read"):
        read_spec(tmp_path / "nowhere.json")
