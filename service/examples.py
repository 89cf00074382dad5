"""Jobs that run as they stand: the examples of the documentation."""

from typing import Any

from fastapi.openapi.models import Example

COMPARISON: dict[str, Any] = {
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

SMALLEST: dict[str, Any] = {"dataset": {"builtin": "iris"}}

STOPPING: dict[str, Any] = {
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

REGRESSION: dict[str, Any] = {
    "name": "diabetes, a lasso by proximal steps",
    "dataset": {"builtin": "diabetes"},
    "split": {"folds": 5, "seed": 11},
    "network": {"kind": "linear"},
    "regularization": {"l1": {"strength": 0.02, "method": "proximal"}},
    "training": {"epochs": 100, "optimizer": {"kind": "sgd", "learning_rate": 0.05}},
}

JOBS: dict[str, Example] = {
    "comparison": {"summary": "Four regularizers compared", "value": COMPARISON},
    "smallest": {"summary": "The smallest job", "value": SMALLEST},
    "stopping": {"summary": "Early stopping, repeats, a model", "value": STOPPING},
    "regression": {"summary": "A cross-validated regression", "value": REGRESSION},
}
