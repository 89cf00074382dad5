"""A model `loans` of a number, a text and a date, for the tests of exports."""

from tests.api.client import Client
from tests.api.kinds import Answer, run, send

JOBS = ("skilled", "unskilled", "self-employed")


def train_loans(client: Client) -> Answer:
    """Train it; its data set."""
    rows = [
        f"{20 + n % 41}.5,{JOBS[n % 3]},20{20 + n % 4}-0{1 + n % 9}-1{n % 10},{(n * 7) % 5}"
        for n in range(120)
    ]
    dataset = send(client, "\n".join(["income,job,since,grade", *rows]), target="grade")
    techniques = {"dropout": {"p": 0.3}, "batch_norm": {}}
    run(client, dataset, "loans", columns={"since": "date"}, regularization=techniques)
    return dataset
