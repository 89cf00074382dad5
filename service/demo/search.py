"""A search: how strong a penalty and how much dropout, asked of 64 networks at once."""

from typing import Any

from rich.table import Table

from service.demo.circle import SPEC as CIRCLE
from service.demo.circle import number
from service.demo.client import Client
from worker.schema import Json

STRENGTH, P = "regularization.l1.strength", "regularization.dropout.p"
SPEC: Json = {
    "name": "L1 and dropout, searched together",
    "dataset": CIRCLE["dataset"],
    "network": CIRCLE["network"],
    "split": {"validation": 0.3},
    "training": {**CIRCLE["training"], "epochs": 30},
    "search": {
        "method": "random",
        "trials": 64,
        "space": {
            STRENGTH: {"low": 1e-6, "high": 1e-2, "log": True},
            P: {"low": 0.0, "high": 0.8},
        },
    },
}


def search(client: Client) -> None:
    """Run the search; print the surface, the winner and what matters."""
    console = client.console
    console.rule("[bold]3. A search: 64 networks, one tensor program[/]", align="left")
    job = client.train(SPEC, "training 64 networks together")
    found = client.get(f"/v1/jobs/{job['id']}/report")["search"]
    if found["surface"] is not None:
        console.print(surface(found["surface"]))
    best = found["winner"]
    values = ", ".join(f"{_short(path)} {value:.3g}" for path, value in best["overrides"].items())
    console.print(f"best: {values}, validation loss {number(best['mean'])}")
    shares = [(each["path"], each["importance"]) for each in found["fields"]]
    told = ", ".join(f"{_short(path)} {share:.0%}" for path, share in shares if share is not None)
    console.print(f"share of the differences that each explains: {told}")
    for hint in found["hints"]:
        console.print(f"[yellow]next[/] {hint['message']}")


def surface(found: Any) -> Table:
    """One row a bin of y and one column a bin of x: mean validation loss, the best cell bold."""
    shown = Table(
        title=f"mean validation loss, by {_short(found['x'])} (across) and {_short(found['y'])}"
    )
    shown.add_column(_short(found["y"]), justify="right")
    for part in found["x_bins"]:
        shown.add_column(_span(part), justify="right")
    lowest = min(value for row in found["mean"] for value in row if value is not None)
    for part, row in zip(found["y_bins"], found["mean"], strict=True):
        cells = [f"[bold]{number(v)}[/]" if v == lowest else number(v) for v in row]
        shown.add_row(_span(part), *cells)
    return shown


def _span(part: Any) -> str:
    if part["low"] is None:
        return f"{part['value']:.2g}"
    return f"{part['low']:.2g} to {part['high']:.2g}"


def _short(path: str) -> str:
    return path.removeprefix("regularization.")
