"""Jobs and predictions that run as they stand: the examples of the documentation."""

from fastapi.openapi.models import Example

from worker.schema import Json

COMPARISON: Json = {
    "name": "four regularizers on the circle problem",
    "dataset": {"builtin": "circle", "rows": 1000, "seed": 42},
    "network": {"kind": "mlp", "hidden": [50, 50], "activation": "relu"},
    "training": {
        "epochs": 50,
        "batch_size": 32,
        "optimizer": {"kind": "adam", "learning_rate": 0.01},
        "seed": 0,
    },
    "compare": [
        {"name": "none", "regularization": {}},
        {"name": "L1", "regularization": {"l1": {"strength": 0.01}}},
        {
            "name": "L2 (coupled decay)",
            "regularization": {"weight_decay": {"strength": 0.01, "method": "coupled"}},
        },
        {"name": "dropout", "regularization": {"dropout": {"p": 0.5}}},
    ],
    "model": "circle",
}

SMALLEST: Json = {"dataset": {"builtin": "iris"}}

STOPPING: Json = {
    "name": "breast cancer, stopped early",
    "dataset": {"builtin": "breast_cancer"},
    "split": {"validation": 0.2, "test": 0.2, "seed": 11},
    "network": {"kind": "mlp", "hidden": [32], "activation": "relu"},
    "regularization": {
        "l2": {"strength": 0.0001},
        "dropout": {"p": 0.3, "input_p": 0.1},
        "early_stopping": {"patience": 10},
    },
    "training": {"epochs": 200, "optimizer": {"kind": "adam", "learning_rate": 0.003}},
    "repeats": 3,
    "model": "breast-cancer",
}

REGRESSION: Json = {
    "name": "diabetes, a lasso by proximal steps",
    "dataset": {"builtin": "diabetes"},
    "split": {"folds": 5, "seed": 11},
    "network": {"kind": "linear"},
    "regularization": {"l1": {"strength": 0.02, "method": "proximal"}},
    "training": {"epochs": 100, "optimizer": {"kind": "sgd", "learning_rate": 0.05}},
    "model": "diabetes",
}

SEARCH: Json = {
    "name": "penalty and dropout, searched together",
    "dataset": {"builtin": "circle"},
    "training": {"epochs": 30, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    "search": {
        "method": "random",
        "trials": 64,
        "space": {
            "regularization.l1.strength": {"low": 1e-6, "high": 1e-2, "log": True},
            "regularization.dropout.p": {"low": 0.0, "high": 0.8},
        },
    },
}

HALVING: Json = {
    "name": "widths and techniques by successive halving",
    "dataset": {"builtin": "breast_cancer"},
    "split": {"folds": 3, "seed": 11},
    "training": {"epochs": 27},
    "search": {
        "method": "halving",
        "trials": 27,
        "min_epochs": 3,
        "objective": "validation_balanced_accuracy",
        "space": {
            "network.hidden": {"values": [[16], [32, 32]]},
            "regularization.dropout": {"optional": True},
            "regularization.dropout.p": {"low": 0.1, "high": 0.5},
        },
    },
    "model": "halved",
}

PATH: Json = {
    "name": "the lasso's path",
    "dataset": {"builtin": "diabetes"},
    "network": {"kind": "linear"},
    "search": {"method": "path", "over": "regularization.l1.strength", "points": 50},
}

AUTO: Json = {
    "name": "whatever regularization suits",
    "dataset": {"builtin": "wine"},
    "split": {"validation": 0.2, "test": 0.2},
    "training": {"epochs": 27},
    "regularization": "auto",
    "search": {"trials": 16},
    "model": "wine",
}

JOBS: dict[str, Example] = {
    "comparison": {"summary": "Four regularizers compared", "value": COMPARISON},
    "smallest": {"summary": "The smallest job", "value": SMALLEST},
    "stopping": {"summary": "Early stopping, repeats, a model", "value": STOPPING},
    "regression": {"summary": "A cross-validated regression", "value": REGRESSION},
    "search": {"summary": "A search over two fields", "value": SEARCH},
    "halving": {"summary": "Successive halving with folds", "value": HALVING},
    "path": {"summary": "A path over λ", "value": PATH},
    "auto": {"summary": "Auto-regularization", "value": AUTO},
}

SCORED: Json = {
    "name": "other points of the circle problem",
    "model": "circle",
    "dataset": {"builtin": "circle", "rows": 500, "seed": 7},
}

PREDICTIONS: dict[str, Example] = {
    "scored": {"summary": "A data set that has the target", "value": SCORED},
    "columns": {
        "summary": "A CSV of some columns, by one version",
        "value": {**SCORED, "version": 1, "keep": ["x1"], "format": "csv"},
    },
}
