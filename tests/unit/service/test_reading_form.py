"""What the form of an upload says, in texts."""

from typing import Any

import pytest

from service.errors import InvalidError
from service.reading_form import reading_of
from worker.spec import Reading


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, {}),
        ({"columns": '{"zip": "categorical"}'}, {"columns": {"zip": "categorical"}}),
        (
            {"columns": ' {"a b": "ignore", "ü": "date"} '},
            {"columns": {"a b": "ignore", "ü": "date"}},
        ),
        ({"columns": "{}"}, {}),
        ({"decimal": ","}, {"decimal": ","}),
        ({"decimal": ",", "thousands": "."}, {"decimal": ",", "thousands": "."}),
        ({"thousands": " "}, {"thousands": " "}),
        ({"missing": '["NA", "-"]'}, {"missing": ("NA", "-")}),
        ({"missing": "[]"}, {"missing": ()}),
        ({"missing": "unknown"}, {"missing": ("unknown",)}),
        ({"missing": "-"}, {"missing": ("-",)}),
        ({"missing": "n/a "}, {"missing": ("n/a ",)}),
        ({"separator": ";"}, {"separator": ";"}),
        ({"separator": "semicolon"}, {"separator": ";"}),
        ({"separator": "Tab"}, {"separator": "\t"}),
        ({"separator": "\\t"}, {"separator": "\t"}),
        ({"separator": "\t"}, {"separator": "\t"}),
        ({"separator": " "}, {"separator": " "}),
        ({"separator": "space"}, {"separator": " "}),
        ({"separator": "comma"}, {"separator": ","}),
        ({"separator": "|"}, {"separator": "|"}),
        ({"header": "true"}, {"header": True}),
        ({"header": "False"}, {"header": False}),
        ({"encoding": "latin-1"}, {"encoding": "latin-1"}),
    ],
)
def test_a_form_says_a_reading(form: dict[str, str], said: dict[str, Any]) -> None:
    assert reading_of({"encoding": None, **form}) == Reading.model_validate(said)


@pytest.mark.parametrize(
    ("form", "param", "says"),
    [
        ({"columns": "zip=categorical"}, "columns", '{"zip": "categorical"'),
        ({"columns": "{zip: categorical}"}, "columns", "not JSON"),
        ({"columns": "{'zip': 'categorical'}"}, "columns", "not JSON"),
        ({"columns": '["zip"]'}, "columns", "must be a JSON object"),
        ({"columns": "null"}, "columns", "must be a JSON object"),
        ({"columns": '{"zip": "category"}'}, "columns.zip", "'categorical'"),
        ({"columns": '{"zip": null}'}, "columns.zip", "'categorical'"),
        ({"columns": '{"": "ignore"}'}, "columns.", "at least 1"),
        ({"columns": "[" * 100_000}, "columns", "nested"),
        ({"columns": '{"a": "\\ud800"}'}, "columns", "U+D800"),
        ({"decimal": ";"}, "decimal", "must be one of"),
        ({"decimal": "comma"}, "decimal", "must be one of"),
        ({"decimal": ",", "thousands": ","}, "thousands", "same mark"),
        ({"missing": "NA,-"}, "missing", '["NA", "-"]'),
        ({"missing": "[1, 2]"}, "missing.0", "must be a string"),
        ({"missing": '["NA"'}, "missing", "not JSON"),
        ({"missing": '{"a": 1}'}, "missing", "JSON array"),
        ({"separator": ";;"}, "separator", "at most 1"),
        ({"separator": "semi"}, "separator", "at most 1"),
        ({"header": "yes"}, "header", "true or false"),
        ({"header": "0"}, "header", "true or false"),
        ({"encoding": "x" * 41}, "encoding", "at most 40"),
    ],
)
def test_what_cannot_be_meant_names_its_field(form: dict[str, str], param: str, says: str) -> None:
    with pytest.raises(InvalidError) as caught:
        reading_of(form)
    assert caught.value.param == param
    assert says in caught.value.message


def test_all_that_is_wrong_is_told() -> None:
    with pytest.raises(InvalidError) as caught:
        reading_of({"header": "ja", "columns": "x"})
    assert [field["param"] for field in caught.value.extra["errors"]] == ["header", "columns"]
