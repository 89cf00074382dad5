"""Environment variables that look like settings and are none: a misspelt one would be lost."""

import difflib
import re
from collections.abc import Iterator, Mapping

from worker.settings import ServiceSettings

PREFIX = "PARSIMONY_"
OTHERS = frozenset({"PARSIMONY_URL", "PARSIMONY_API_KEY", "PARSIMONY_FAIL_FILE"})
"""Those of the client, and that of the tests that make writes fail."""
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT(_\d+_(TCP|UDP))(_|$)")
"""Kubernetes gives each container such variables of each service beside it."""


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence with the remedy for each variable that nothing reads."""
    settings = [name.upper() for name in ServiceSettings.model_fields]
    known = {f"{PREFIX}{name}" for name in settings} | OTHERS
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known or _OF_KUBERNETES.search(name):
            continue
        close = difflib.get_close_matches(name.removeprefix(PREFIX), settings, n=1)
        remedy = f"did you mean {PREFIX}{close[0]}?" if close else "the README lists them all"
        yield f"{name} is no setting and is not read; {remedy}"
