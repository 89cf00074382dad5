"""What answers show of a specification."""

from worker.schema import Json
from worker.spec import JobSpec
from worker.spec.shown import MOST_SHOWN, shown, without_off


def posted(body: Json) -> Json:
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **body})
    return spec.model_dump(mode="json", exclude_unset=True)


def test_what_was_posted_is_shown_as_it_was_posted() -> None:
    body = {
        "regularization": {"l1": {"strength": 0.1234567890123, "layers": [0]}},
        "split": {"rows": {"train": list(range(MOST_SHOWN)), "test": [200]}},
        "search": {"space": {"training.epochs": {"values": [1, 2]}}},
    }
    assert shown(posted(body)) == {"dataset": {"builtin": "circle"}, **body}


def test_techniques_that_are_off_are_left_out_of_every_configuration() -> None:
    off: Json = {"regularization": {"l1": None, "dropout": {"p": 0.5}}}
    body = {**off, "compare": [{"name": "none"}, {"name": "some", **off}]}
    on = {"regularization": {"dropout": {"p": 0.5}}}
    view = shown(posted(body))
    assert view["regularization"] == on["regularization"]
    assert view["compare"] == [{"name": "none"}, {"name": "some", **on}]
    complete = without_off(JobSpec.model_validate({"dataset": {"builtin": "wine"}}).model_dump())
    assert complete["regularization"] == {}
    assert complete["training"]["batch_size"]


def test_long_lists_are_cut_and_counted_and_the_rest_is_left() -> None:
    many = list(range(MOST_SHOWN + 1))
    body: Json = {
        "split": {"rows": {"train": many, "validation": [500]}, "seed": 3},
        "search": {
            "space": {
                "training.epochs": {"values": [n + 1 for n in many]},
                "regularization.dropout.p": {"low": 0, "high": 0.5},
            },
            "seed": 4,
        },
    }
    document = posted(body)
    view = shown(document)
    assert view["split"] == {
        "rows": {"train": many[:-1], "train_count": MOST_SHOWN + 1, "validation": [500]},
        "seed": 3,
    }
    assert view["search"]["seed"] == 4
    assert view["search"]["space"]["training.epochs"] == {
        "values": many[1:],
        "values_count": MOST_SHOWN + 1,
    }
    assert view["search"]["space"]["regularization.dropout.p"] == {"low": 0, "high": 0.5}
    assert document["split"]["rows"] == body["split"]["rows"], "the document is another one"
