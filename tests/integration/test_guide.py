"""The guide's pages, walked: all their blocks, in order, against one service.

What the pages print is looked at only as far as it says that the walk went well.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.pages import blocks, walked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("bash", "curl", "awk"))),
        reason="the walks are written for bash, curl and awk",
    ),
]

JOBS = """curl -sS --fail-with-body "$PARSIMONY/v1/jobs" -H 'Prefer: wait=60' -o trained.json \
-H 'Content-Type: application/json' -d"""
CREDIT = f"""
awk 'BEGIN {{ srand(3); print "customer_id,income,default"
  for (i = 0; i < 100; i++) {{ income = 20 + int(60 * rand())
    print "c" i "," income "," (income < 45 ? "yes" : "no") }} }}' > rows.csv
dataset=$(curl -sS --fail-with-body "$PARSIMONY/v1/datasets" -F file=@rows.csv -F target=default |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
{JOBS} '{{"dataset": "'$dataset'", "columns": {{"customer_id": "ignore"}},
  "training": {{"epochs": 2}}, "model": "credit"}}'
"""


@dataclass(frozen=True)
class Walk:
    """How a page is walked."""

    says: tuple[str, ...]
    """Texts that the blocks print."""
    before: str = ""
    """What the page takes for granted, as bash."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """What is done less of."""


def trained(dataset: str, model: str) -> str:
    """A quick model on a data set that the service brings."""
    return f"""{JOBS} '{{"dataset": {{"builtin": "{dataset}"}}, "training": {{"epochs": 2}},
      "model": "{model}"}}'"""


PAGES = {
    "docs/index.md": Walk(('"state":"succeeded"',)),
    "docs/tutorial.md": Walk(
        (
            "## Configurations on 114 test rows",
            "L1 0.1 predicts one class only",
            "winner",
            "regularization.l2.strength explains",
            "True eval_mode",
            '"production":1',
            '"label":"malignant"',
        ),
        changes={'"trials": 40': '"trials": 8'},
    ),
    "docs/how-to/own-data.md": Walk(
        ("zip categorical", "parcel numeric", '"valid":true', "parcel;zip;weight;late;prediction")
    ),
    "docs/how-to/python.md": Walk(("validation_loss", "prediction", "dropout.p")),
    "docs/how-to/javascript.md": Walk(("succeeded", "setosa")),
    "docs/how-to/triton.md": Walk(("setosa",)),
    "docs/how-to/schedule.md": Walk(('"aliases":{"production":1}',)),
    "docs/how-to/keys.md": Walk(("nightly job", "is revoked")),
    "docs/how-to/gpu.md": Walk(("torch",)),
    "docs/files.md": Walk((), before=CREDIT),
    "docs/inference-protocol.md": Walk(
        ('"name":"probabilities"',), before=trained("circle", "circle")
    ),
    "docs/predictions.md": Walk(('"state":"succeeded"',), before=CREDIT),
    "docs/serving.md": Walk((), before=trained("iris", "iris")),
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_walked(installed: str, tmp_path: Path, page: str) -> None:
    if any(one.language == "javascript" for one in blocks(page)) and not shutil.which("node"):
        pytest.skip("THERE IS NO NODE: the page on JavaScript was not walked")
    walk = PAGES[page]
    said = "".join(walked(page, installed, tmp_path, walk.changes, before=walk.before))
    assert [text for text in walk.says if text not in said] == []
