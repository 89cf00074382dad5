"""Answers as columns: their names, types and values; names that are taken."""

import numpy as np
import pyarrow as pa

from worker.data import Target
from worker.models import Answers, answer_columns


def _classified(*classes: str) -> Answers:
    probabilities = np.array([[0.25, 0.75], [0.9, 0.1]], dtype=np.float32)
    target = Target(column="class", task="binary", classes=classes)
    return Answers(target, probabilities, np.array([1, 0]))


def test_classes_are_answered_by_name_and_with_each_probability() -> None:
    columns = answer_columns(_classified("bad", "good"), ())
    assert list(columns) == ["prediction", "probability_bad", "probability_good"]
    assert columns["prediction"].equals(pa.array(["good", "bad"]))
    assert columns["probability_good"].type == pa.float32()
    np.testing.assert_array_equal(
        columns["probability_bad"].to_numpy(), np.array([0.25, 0.9], dtype=np.float32)
    )


def test_classes_that_are_whole_numbers_are_answered_as_numbers() -> None:
    columns = answer_columns(_classified("3", "10"), ())
    assert columns["prediction"].equals(pa.array([10, 3], type=pa.int64()))
    assert list(columns)[1:] == ["probability_3", "probability_10"]


def test_a_regression_is_answered_by_its_value() -> None:
    values = np.array([1.5, 0.1])
    target = Target(column="y", task="regression")
    columns = answer_columns(Answers(target, values=values), ["x", "y"])
    assert list(columns) == ["prediction"]
    np.testing.assert_array_equal(columns["prediction"].to_numpy(), values)


def test_a_name_that_is_taken_gets_the_first_free_number() -> None:
    taken = ["prediction", "prediction_1", "probability_bad"]
    columns = answer_columns(_classified("bad", "good"), taken)
    assert list(columns) == ["prediction_2", "probability_bad_1", "probability_good"]


def test_names_of_answers_do_not_collide_with_each_other() -> None:
    columns = answer_columns(_classified("a", "a_1"), ["probability_a"])
    assert list(columns) == ["prediction", "probability_a_1", "probability_a_1_1"]


def test_what_further_was_asked_for_follows_by_class_or_by_number() -> None:
    plain = _classified("bad", "good")
    further = {
        "entropy": np.array([0.5, 0.2]),
        "in_set": np.array([[True, False], [True, True]]),
        "between": np.array([[0, 1, 2], [3, 4, 5]]),
    }
    answers = Answers(plain.target, plain.probabilities, plain.best, further=further)
    columns = answer_columns(answers, ())
    assert list(columns)[3:] == [
        "entropy",
        "in_set_bad",
        "in_set_good",
        "between_0",
        "between_1",
        "between_2",
    ]
    assert columns["in_set_good"].to_pylist() == [False, True]
    assert columns["between_2"].to_pylist() == [2, 5]


def test_parts_of_a_file_have_the_same_columns_as_the_whole() -> None:
    answers = _classified("bad", "good")
    whole = pa.table(answer_columns(answers, ["prediction"]))
    parts = [answers.part(slice(0, 1)), answers.part(slice(1, 1)), answers.part(slice(1, 2))]
    joined = pa.concat_tables(pa.table(answer_columns(part, ["prediction"])) for part in parts)
    assert joined.combine_chunks().equals(whole)
