"""The OpenAPI document is the stored one, to the letter; the release's number is no part of it.

A change that is meant: `python -m tests.assets.make openapi` writes the document anew.
"""

import json
from itertools import islice
from pathlib import Path
from typing import Any

from tests.stored_state import differences

SNAPSHOT = Path(__file__).parents[1] / "assets" / "openapi.json"


def written(document: dict[str, Any]) -> str:
    """As it is stored: in the order of the alphabet, a line a value, to be read in differences."""
    document = {**document, "info": {**document["info"], "version": ""}}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_the_document_is_the_stored_one(document: dict[str, Any]) -> None:
    stored, now = SNAPSHOT.read_text(encoding="utf-8"), written(document)
    if stored != now:
        first = "\n".join(islice(differences(json.loads(stored), json.loads(now)), 20))
        raise AssertionError(f"openapi.json is not the stored one (meant? see above):\n{first}")
