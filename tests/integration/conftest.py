"""One whole service for the tests that only ask it; those that disturb one start their own."""

from collections.abc import Iterator

import pytest

from service.installation import installation


@pytest.fixture(scope="session")
def installed() -> Iterator[str]:
    """Address of `parsimony up` in a process of its own."""
    with installation() as url:
        yield url
