"""The circle experiment: one network, four regularizations, compared in one job."""

from pathlib import Path
from typing import Any

from rich.table import Table

from service.demo.client import Client
from worker.schema import Json

EVERY = 10
"""Epochs between two rows of the table."""
SPEC: Json = {
    "name": "regularization compared on the circle problem",
    "dataset": {"builtin": "circle", "rows": 1000, "seed": 42},
    "split": {"validation": 0.0, "test": 0.0},
    "preprocessing": {"numeric": "none"},
    "network": {"kind": "mlp", "hidden": [50, 50], "activation": "relu"},
    "training": {
        "epochs": 50,
        "batch_size": 32,
        "optimizer": {"kind": "adam", "learning_rate": 0.01},
        "seed": 0,
    },
    "compare": [
        {"name": "none", "regularization": {}},
        {"name": "L1 0.01", "regularization": {"l1": {"strength": 0.01, "biases": True}}},
        {
            "name": "Adam weight decay 0.01",
            "regularization": {
                "weight_decay": {"strength": 0.01, "method": "coupled", "biases": True}
            },
        },
        {"name": "dropout 0.5", "regularization": {"dropout": {"p": 0.5}}},
    ],
}
SCORES = {
    "accuracy": "train_accuracy",
    "balanced accuracy": "train_balanced_accuracy",
    "recall": "train_recall",
}


def compare(client: Client, folder: Path) -> None:
    """Run the experiment, print its table and its advice, save its loss curves."""
    console = client.console
    console.rule("[bold]1. Four regularizations, one job[/]", align="left")
    console.print(
        "1000 points of a square; which lie outside the circle x₁² + x₂² = 5? 118 of them do."
    )
    job = client.train(SPEC, "training four networks together")
    trials = client.trials(job)
    curves = [
        client.get(f"/v1/jobs/{job['id']}/metrics", trial=trial["id"])["metrics"]["train_loss"]
        for trial in trials
    ]
    console.print(table(trials, curves))
    # After training the trials' advice is about results; before it, the job's is about the plan.
    heard: set[str] = set()
    for name, advice in [("", a) for a in job["advice"]] + [
        (trial["name"], a) for trial in trials for a in trial["advice"]
    ]:
        if advice["message"] not in heard:
            heard.add(advice["message"])
            prefix = f"{name}: " if name and not advice["message"].startswith(name) else ""
            console.print(f"[yellow]advice[/] {prefix}{advice['message']}")
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "loss.png"
    picture.write_bytes(client.get_bytes(f"/v1/jobs/{job['id']}/chart.png"))
    console.print(f"loss curves: {picture}")


def table(trials: list[Any], curves: list[list[float | None]]) -> Table:
    """One column a configuration: its loss every ten epochs, then its scores."""
    shown = Table(title="mean cross-entropy on the training rows, in eval mode; then scores")
    shown.add_column("epoch", justify="right")
    for trial in trials:
        shown.add_column(trial["name"], justify="right")
    for epoch in range(EVERY, max(map(len, curves)) + 1, EVERY):
        losses = [number(curve[epoch - 1] if epoch <= len(curve) else None) for curve in curves]
        shown.add_row(str(epoch), *losses)
    shown.add_section()
    for title, metric in SCORES.items():
        shown.add_row(title, *(number(trial["metrics"].get(metric)) for trial in trials))
    return shown


def number(value: float | None) -> str:
    """Four decimals; a dash for what was not measured."""
    return "–" if value is None else f"{value:.4f}"
