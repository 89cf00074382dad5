"""Real data: a CSV uploaded, two networks compared over repeats, the winner asked over HTTP."""

import csv
import io
from typing import Any

import numpy as np
from rich.table import Table
from sklearn.datasets import load_breast_cancer

from service.demo.client import Client
from worker.schema import Json

TARGET = "diagnosis"
HELD_OUT = 114
"""Rows that the service does not see before they are predicted: a fifth of the 569."""
REPEATS = 5
MODEL = "breast-cancer"
SPEC: Json = {
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
    "repeats": REPEATS,
    "model": MODEL,
}
SCORES = ("train_loss", "validation_loss", "test_loss", "test_accuracy", "test_balanced_accuracy")


def train_and_predict(client: Client) -> float:
    """Run the experiment; gives the accuracy on the held-out rows."""
    console = client.console
    console.rule("[bold]2. Real data: breast cancer, uploaded as CSV[/]", align="left")
    header, rows, labels = read()
    order = np.random.default_rng(7).permutation(len(rows))
    kept_back, sent = order[:HELD_OUT], order[HELD_OUT:]
    uploaded = client.upload(MODEL, as_csv(header, rows, labels, sent), TARGET)
    console.print(
        f"uploaded {uploaded['rows']} rows of {len(header)} columns as {uploaded['id']}; "
        f"{HELD_OUT} rows kept back"
    )
    title = f"training 2 networks × {REPEATS} repeats"
    job = client.train({"dataset": uploaded["id"], **SPEC}, title)
    console.print(table(client.trials(job)))
    model = job["model"]
    console.print(f"winner: {job['best']['name']}, now {model['name']} version {model['version']}")
    answer = client.post(
        f"/v1/models/{MODEL}/predict",
        {"instances": [dict(zip(header, rows[i], strict=True)) for i in kept_back]},
    )
    said = [prediction["label"] for prediction in answer["predictions"]]
    right = sum(label == labels[i] for label, i in zip(said, kept_back, strict=True))
    accuracy: float = right / HELD_OUT
    console.print(
        f"[bold]predictions for the {HELD_OUT} rows kept back: {right} right, "
        f"accuracy {accuracy:.4f}[/]"
    )
    return accuracy


def read() -> tuple[list[str], list[list[float]], list[str]]:
    """Feature names, rows and class names of scikit-learn's Wisconsin breast cancer set."""
    bunch = load_breast_cancer()
    labels = [str(bunch.target_names[code]) for code in bunch.target]
    return [str(name) for name in bunch.feature_names], bunch.data.tolist(), labels


def as_csv(
    header: list[str], rows: list[list[float]], labels: list[str], chosen: np.ndarray[Any, Any]
) -> bytes:
    """Some of the rows as CSV, the class in the last column."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*header, TARGET])
    writer.writerows([*rows[i], labels[i]] for i in chosen)
    return text.getvalue().encode()


def table(trials: list[Any]) -> Table:
    """One column a configuration: mean and standard deviation of its scores over the repeats."""
    shown = Table(title=f"mean ± standard deviation over {REPEATS} repeats")
    shown.add_column("score", justify="right")
    names = list(dict.fromkeys(trial["name"] for trial in trials))
    for name in names:
        shown.add_column(name, justify="right")
    for score in SCORES:
        shown.add_row(score.replace("_", " "), *(spread(trials, name, score) for name in names))
    return shown


def spread(trials: list[Any], name: str, score: str) -> str:
    """A score's mean and standard deviation; a dash where fewer than two trials have it."""
    values = [trial["metrics"].get(score) for trial in trials if trial["name"] == name]
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.4f} ± {np.std(known, ddof=1):.4f}" if len(known) > 1 else "–"
