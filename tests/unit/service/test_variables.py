"""Variables that look like settings."""

import pytest

from service.variables import unknown_variables


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PARSIMONY_WORKER", "did you mean PARSIMONY_WORKERS?"),
        ("PARSIMONY_REDISURL", "did you mean PARSIMONY_REDIS_URL?"),
        ("PARSIMONY_XYZZY_QUUX", "the README lists them all"),
    ],
)
def test_one_that_nothing_reads_is_named_with_the_one_that_was_meant(name: str, said: str) -> None:
    (sentence,) = unknown_variables({name: "1", "HOME": "/"})
    assert sentence.startswith(f"{name} is no setting")
    assert sentence.endswith(said)


@pytest.mark.parametrize(
    "name",
    [
        "PARSIMONY_PORT",
        "PARSIMONY_API_KEY",
        "PARSIMONY_URL",
        "PARSIMONY",
        # What Kubernetes gives to the neighbours of a service of that name.
        "PARSIMONY_SERVICE_HOST",
        "PARSIMONY_SERVICE_PORT_HTTP",
        "PARSIMONY_PORT_8000_TCP_ADDR",
    ],
)
def test_all_others_are_passed_over(name: str) -> None:
    assert not list(unknown_variables({name: "1"}))
