"""What benchmarks/ensemble.py has measured, as tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

SETS = (
    "blood-transfusion",
    "vehicle",
    "credit-g",
    "kc1",
    "segment",
    "phoneme",
    "kr-vs-kp",
    "mfeat-factors",
)
"""The smallest first."""
AUTO = "auto"


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The cells that are done."""
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def show(path: Path) -> None:
    """Mean test balanced accuracy by data set, mean ranks, and differences from what is compared.

    Wilcoxon's signed-rank test is over cells, two-sided; of splits of one data set, whose rows
    overlap, it says more than it should.
    """
    cells = list(lines(path))
    for settings in sorted({json.dumps(one["settings"], sort_keys=True) for one in cells}):
        own = [one for one in cells if json.dumps(one["settings"], sort_keys=True) == settings]
        names = list(own[0]["values"])
        values = np.array([[100 * one["values"][name] for name in names] for one in own])
        ranks = stats.rankdata(-values, axis=1)
        sets = sorted({one["set"] for one in own}, key=SETS.index)
        print(f"\n{settings}; {len(own)} cells; test balanced accuracy, %\n")
        print("| | " + " | ".join(sets) + " | mean | mean rank |")
        print("|" + " --- |" * (len(sets) + 3))
        for place, name in enumerate(names):
            means = [values[[one["set"] == data for one in own], place].mean() for data in sets]
            shown = " | ".join(f"{mean:.1f}" for mean in means)
            print(f"| {name} | {shown} | {np.mean(means):.2f} | {ranks[:, place].mean():.2f} |")
        print()
        for place, name in enumerate(names):
            if name == AUTO:
                continue
            difference = values[:, names.index(AUTO)] - values[:, place]
            p = stats.wilcoxon(difference).pvalue if difference.any() else 1.0
            print(
                f"{AUTO} − {name}: {difference.mean():+.2f} ± "
                f"{difference.std(ddof=1) / np.sqrt(len(own)):.2f} (better in "
                f"{(difference > 0).sum()}, worse in {(difference < 0).sum()}; p = {p:.3f})"
                if len(own) > 1
                else f"{AUTO} − {name}: {difference.mean():+.2f}"
            )
        chosen = [one["choice"]["chosen"] for one in own]
        print("chosen: " + ", ".join(f"{name} {chosen.count(name)}" for name in sorted({*chosen})))
