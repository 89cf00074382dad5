"""The links of the OpenAPI document: which answer names what another operation asks for."""

from worker.schema import Json

BODY = "$response.body#"
OF_A_JOB = (
    "get_job",
    "cancel_job",
    "pause_job",
    "resume_job",
    "retry_job",
    "delete_job",
    "list_trials",
    "get_metrics",
    "get_curves",
    "list_events",
    "list_checkpoints",
    "get_chart",
    "get_chart_picture",
    "get_chart_drawing",
    "get_report",
    "get_splits",
    "get_row_answers",
    "get_report_markdown",
    "get_report_page",
    "export_job",
)
OF_A_MODEL = ("get_model", "delete_model", "get_certificate", "get_model_statistics", "predict")
OF_A_VERSION = (
    "get_model_version",
    "get_coefficients",
    "get_model_file",
    "delete_model_version",
)
OF_A_PREDICTION = (
    "get_prediction",
    "get_prediction_result",
    "cancel_prediction",
    "delete_prediction",
)
OF_A_DATASET = ("get_dataset", "preview_dataset", "list_values", "delete_dataset")


def _links(operations: tuple[str, ...], description: str, **parameters: str) -> Json:
    """One link to each of these operations, with parameters taken from the answer's body."""
    expressions = {name: BODY + pointer for name, pointer in parameters.items()}
    return {
        operation: {
            "operationId": operation,
            "parameters": expressions,
            "description": description,
        }
        for operation in operations
    }


DATASET: Json = _links(OF_A_DATASET, "The data set.", id="/id")
JOB: Json = {
    **_links(OF_A_JOB, "What the job is, and what comes of it.", id="/id"),
    **_links(
        OF_A_MODEL,
        "The model that its winner is registered as, if it names one.",
        name="/model/name",
    ),
    **_links(
        OF_A_VERSION,
        "The version that its winner is, once the job has succeeded.",
        name="/model/name",
        version="/model/version",
    ),
}
PREDICTION: Json = {
    **_links(OF_A_PREDICTION, "The prediction, and the file that comes of it.", id="/id"),
    **_links(OF_A_VERSION, "The version that answers.", name="/model", version="/version"),
}
MODEL: Json = {
    **_links(OF_A_MODEL, "The model.", name="/name"),
    **_links(OF_A_VERSION, "Its newest version.", name="/name", version="/latest"),
}

LINKS: dict[tuple[str, str], Json] = {
    ("upload_dataset", "201"): DATASET,
    ("get_dataset", "200"): DATASET,
    ("list_datasets", "200"): _links(OF_A_DATASET, "The newest data set.", id="/data/0/id"),
    ("create_job", "202"): JOB,
    ("get_job", "200"): JOB,
    ("cancel_job", "200"): JOB,
    ("pause_job", "200"): JOB,
    ("resume_job", "200"): JOB,
    ("retry_job", "202"): JOB,
    ("list_jobs", "200"): _links(OF_A_JOB, "The newest job.", id="/data/0/id"),
    ("list_techniques", "200"): _links(
        ("get_technique",), "The first technique.", name="/data/0/name"
    ),
    ("list_models", "200"): _links(OF_A_MODEL, "The newest model.", name="/data/0/name"),
    ("get_model", "200"): MODEL,
    ("set_alias", "200"): MODEL,
    ("get_model_version", "200"): {
        **_links(("get_model",), "The model.", name="/model"),
        **_links(
            ("get_certificate", "predict"), "This version.", name="/model", version="/version"
        ),
        **_links(("get_job",), "The job that trained it.", id="/job"),
    },
    ("create_prediction", "202"): PREDICTION,
    ("get_prediction", "200"): PREDICTION,
    ("cancel_prediction", "200"): PREDICTION,
    ("list_predictions", "200"): _links(OF_A_PREDICTION, "The newest prediction.", id="/data/0/id"),
    ("predict", "200"): _links(
        OF_A_VERSION, "The version that answered.", name="/model", version="/version"
    ),
}
"""By operation and status."""
