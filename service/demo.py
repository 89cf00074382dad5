"""The demonstration: a user's three experiments, over HTTP alone."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer

from parsimony import Client, Job, calls
from parsimony import ParsimonyError as ClientError
from parsimony.answers import TrialData
from parsimony.words import result
from service.installation import installation
from worker.errors import ParsimonyError
from worker.schema import Json

DEADLINE_SECONDS = 300.0

CIRCLE: Json = {
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
CIRCLE_EPOCHS = 10
"""Epochs between two rows of its table."""
CIRCLE_SCORES = {
    "accuracy": "train_accuracy",
    "balanced accuracy": "train_balanced_accuracy",
    "recall": "train_recall",
}

CANCER_MODEL = "breast-cancer"
CANCER_TARGET = "diagnosis"
CANCER_HELD_OUT = 114
"""Rows that the service does not see before they are predicted: a fifth of the 569."""
CANCER_REPEATS = 5
CANCER: Json = {
    "name": "L2 and dropout on breast cancer",
    "split": {"validation": 0.2, "test": 0.2, "seed": 11},
    "network": {"kind": "mlp", "hidden": [50, 50]},
    "training": {
        "epochs": 60,
        "batch_size": 32,
        "optimizer": {"kind": "adam", "learning_rate": 0.003},
        "seed": 1,
    },
    "compare": [
        {"name": "none", "regularization": {}},
        {
            "name": "L2 and dropout",
            # Chosen by validation loss among eighteen combinations.
            "regularization": {"l2": {"strength": 0.01}, "dropout": {"p": 0.5, "input_p": 0.2}},
        },
    ],
    "repeats": CANCER_REPEATS,
    "model": CANCER_MODEL,
}
CANCER_SCORES = (
    "train_loss",
    "validation_loss",
    "test_loss",
    "test_accuracy",
    "test_balanced_accuracy",
)

SEARCH: Json = {
    "name": "L1 and dropout, searched together",
    "dataset": CIRCLE["dataset"],
    "network": CIRCLE["network"],
    "split": {"validation": 0.3},
    "training": {**CIRCLE["training"], "epochs": 30},
    "search": {
        "method": "random",
        "trials": 64,
        "space": {
            "regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True},
            "regularization.dropout.p": {"low": 0.0, "high": 0.8},
        },
    },
}


def run(console: Console, folder: Path) -> None:
    """Start a service with a state folder of its own, run the experiments, stop it.

    Raises ``ParsimonyError`` if anything did not work, so that the command does not exit 0.
    """
    started = time.monotonic()
    console.print("starting the service: Redis, a worker and the HTTP server on a free port …")
    try:
        with installation() as url, Client(url) as client:
            console.print(f"ready after {time.monotonic() - started:.1f} s: {url}/docs")
            compare_on_circle(client, console, folder)
            predict_breast_cancer(client, console)
            search_on_circle(client, console)
    except ClientError as error:
        raise ParsimonyError(error.detail, code="demo_failed") from error
    console.print(f"[dim]done in {time.monotonic() - started:.1f} s; the service is stopped[/]")


def trained(client: Client, console: Console, spec: Json, title: str) -> Job:
    """Post a job and wait for it, under a progress bar where somebody looks."""
    console.print(f"{title} …")
    return client.submit(spec).wait(DEADLINE_SECONDS)


def ordered_trials(client: Client, job: Job) -> list[TrialData]:
    """A job's trials in the order of its configurations."""
    listed = client.carry(calls.trials(job.id, None))
    return sorted(listed, key=lambda trial: (trial["configuration"], trial["repeat"]))


def compare_on_circle(client: Client, console: Console, folder: Path) -> None:
    """One network, four regularizations: print a table and the advice, save the loss curves."""
    console.rule("[bold]1. Four regularizations, one job[/]", align="left")
    console.print(
        "1000 points of a square; which lie outside the circle x₁² + x₂² = 5? 118 of them do."
    )
    job = trained(client, console, CIRCLE, "training four networks together")
    trials = ordered_trials(client, job)
    curves = [
        client.send(calls.read_metrics(job.id, trial["id"]))["metrics"]["train_loss"]
        for trial in trials
    ]
    console.print(circle_table(trials, curves))
    # After training the trials' advice is about results; before it, the job's is about the plan.
    printed: set[str] = set()
    for name, advice in [("", a) for a in job.advice] + [
        (trial["name"], a) for trial in trials for a in trial["advice"]
    ]:
        if advice["message"] not in printed:
            printed.add(advice["message"])
            prefix = f"{name}: " if name and not advice["message"].startswith(name) else ""
            console.print(f"[yellow]advice[/] {prefix}{advice['message']}")
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "loss.png"
    drawn = calls.read_bytes(f"/v1/jobs/{job.id}/chart.png", kind="training", density=2)
    picture.write_bytes(client.send(drawn))
    console.print(f"loss curves: {picture}")


def circle_table(trials: list[Any], curves: list[list[float | None]]) -> Table:
    """One column a configuration: its loss every ten epochs, then its scores."""
    table = Table(title="mean cross-entropy on the training rows, in eval mode; then scores")
    table.add_column("epoch", justify="right")
    for trial in trials:
        table.add_column(trial["name"], justify="right")
    for epoch in range(CIRCLE_EPOCHS, max(map(len, curves)) + 1, CIRCLE_EPOCHS):
        losses = [number(curve[epoch - 1] if epoch <= len(curve) else None) for curve in curves]
        table.add_row(str(epoch), *losses)
    table.add_section()
    for title, metric in CIRCLE_SCORES.items():
        table.add_row(title, *(number(trial["metrics"].get(metric)) for trial in trials))
    return table


def predict_breast_cancer(client: Client, console: Console) -> float:
    """Upload a CSV, compare two networks over repeats, ask the winner over HTTP.

    Returns:
        Its accuracy on the rows kept back.
    """
    console.rule("[bold]2. Real data: breast cancer, uploaded as CSV[/]", align="left")
    header, rows, labels = read_breast_cancer()
    order = np.random.default_rng(7).permutation(len(rows))
    kept_back, sent = order[:CANCER_HELD_OUT], order[CANCER_HELD_OUT:]
    table = known_rows(header, rows, labels, sent)
    uploaded = client.upload(table, name=CANCER_MODEL, target=CANCER_TARGET)
    console.print(
        f"uploaded {uploaded.data['rows']} rows of {len(header)} columns as {uploaded.id}; "
        f"{CANCER_HELD_OUT} rows kept back"
    )
    title = f"training 2 networks × {CANCER_REPEATS} repeats"
    job = trained(client, console, {"dataset": uploaded.id, **CANCER}, title)
    console.print(cancer_table(ordered_trials(client, job)))
    console.print(result(job.data))
    asked = [dict(zip(header, rows[i], strict=True)) for i in kept_back]
    predicted = [answer["prediction"] for answer in job.model.predict(asked)]
    right = sum(label == labels[i] for label, i in zip(predicted, kept_back, strict=True))
    accuracy: float = right / CANCER_HELD_OUT
    console.print(
        f"[bold]predictions for the {CANCER_HELD_OUT} rows kept back: {right} right, "
        f"accuracy {accuracy:.4f}[/]"
    )
    return accuracy


def read_breast_cancer() -> tuple[list[str], list[list[float]], list[str]]:
    """Feature names, rows and class names of scikit-learn's Wisconsin breast cancer set."""
    bunch = load_breast_cancer()
    labels = [str(bunch.target_names[code]) for code in bunch.target]
    return [str(name) for name in bunch.feature_names], bunch.data.tolist(), labels


def known_rows(
    header: list[str], rows: list[list[float]], labels: list[str], chosen: np.ndarray[Any, Any]
) -> list[dict[str, float | str]]:
    """Some of the rows with their class."""
    names = [*header, CANCER_TARGET]
    return [dict(zip(names, [*rows[i], labels[i]], strict=True)) for i in chosen]


def cancer_table(trials: list[Any]) -> Table:
    """One column a configuration: mean and standard deviation of its scores over the repeats."""
    table = Table(title=f"mean ± standard deviation over {CANCER_REPEATS} repeats")
    table.add_column("score", justify="right")
    names = list(dict.fromkeys(trial["name"] for trial in trials))
    for name in names:
        table.add_column(name, justify="right")
    for score in CANCER_SCORES:
        table.add_row(score.replace("_", " "), *(_spread(trials, name, score) for name in names))
    return table


def _spread(trials: list[Any], name: str, score: str) -> str:
    """A score's mean and standard deviation; a dash where fewer than two trials have it."""
    values = [trial["metrics"].get(score) for trial in trials if trial["name"] == name]
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.4f} ± {np.std(known, ddof=1):.4f}" if len(known) > 1 else "–"


def search_on_circle(client: Client, console: Console) -> None:
    """How strong a penalty and how much dropout, asked of 64 networks at once."""
    console.rule("[bold]3. A search: 64 networks, one tensor program[/]", align="left")
    job = trained(client, console, SEARCH, "training 64 networks together")
    report = job.report["search"]
    if report is None:
        raise ParsimonyError(f"{job.id} is no search", code="demo_failed")
    if report["surface"] is not None:
        console.print(surface_table(report["surface"]))
    best = report["winner"]
    values = ", ".join(f"{_short(path)} {value:.3g}" for path, value in best["overrides"].items())
    console.print(f"best: {values}, validation loss {number(best['mean'])}")
    shares = [(field["path"], field["importance"]) for field in report["fields"]]
    text = ", ".join(f"{_short(path)} {share:.0%}" for path, share in shares if share is not None)
    console.print(f"share of the differences that each explains: {text}")
    for hint in report["hints"]:
        console.print(f"[yellow]next[/] {hint['message']}")


def surface_table(surface: Any) -> Table:
    """One row a bin of y and one column a bin of x: mean validation loss, the best cell bold."""
    table = Table(
        title=f"mean validation loss, by {_short(surface['x'])} (across) and {_short(surface['y'])}"
    )
    table.add_column(_short(surface["y"]), justify="right")
    for part in surface["x_bins"]:
        table.add_column(_span(part), justify="right")
    lowest = min(value for row in surface["mean"] for value in row if value is not None)
    for part, row in zip(surface["y_bins"], surface["mean"], strict=True):
        cells = [f"[bold]{number(v)}[/]" if v == lowest else number(v) for v in row]
        table.add_row(_span(part), *cells)
    return table


def number(value: float | None) -> str:
    """Four decimals; a dash for what was not measured."""
    return "–" if value is None else f"{value:.4f}"


def _span(part: Any) -> str:
    if part["low"] is None:
        return f"{part['value']:.2g}"
    return f"{part['low']:.2g} to {part['high']:.2g}"


def _short(path: str) -> str:
    return path.removeprefix("regularization.")
