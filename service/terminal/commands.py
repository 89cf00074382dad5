"""The commands that ask a service: ``upload | submit | watch | jobs | report | …``.

What they print is on the output; what is wrong, on the error output. They exit with one of `Exit`.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.terminal.session import (
    OF_A_JOB,
    ApiKey,
    AsCurl,
    AsJson,
    Exit,
    JobName,
    Out,
    Url,
    connected,
    interruptible,
    say_problem,
    write_content,
    write_json,
    write_line,
)

if TYPE_CHECKING:  # imported late: `parsimony --version` needs no HTTP
    from parsimony import Client, Job
    from parsimony.answers import JobData, MetricsData


class ExportChoice(StrEnum):
    """The tools that read a job's curves."""

    CSV = "csv"
    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"


def add_commands(app: typer.Typer) -> None:
    """Give these commands to the command line."""
    for command, name in (
        (upload_file, "upload"),
        (submit_spec, "submit"),
        (watch_job, "watch"),
        (print_jobs, "jobs"),
        (print_report, "report"),
        (export_curves, "export"),
        (print_logs, "logs"),
        (cancel_by_id, "cancel"),
        (predict_file, "predict"),
        (print_status, "status"),
    ):
        app.command(name, rich_help_panel="Ask a service")(command)


def upload_file(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet, NPZ, or a zip of images.")],
    target: Annotated[str | None, typer.Option(help="The column that jobs predict.")] = None,
    name: Annotated[str | None, typer.Option(help="A label; the file's name unless given.")] = None,
    columns: Annotated[
        str | None, typer.Option(help='Kinds of columns, as JSON: {"zip": "categorical"}.')
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    as_curl: AsCurl = False,
) -> None:
    """Upload a table; prints its id, and what was found in it."""
    with connected(url, api_key) as client:
        from service.terminal.curl_line import curl_of_an_upload
        from service.terminal.display import output, show_findings

        given = {"target": target, "name": name, "columns": columns}
        form = {field: text for field, text in given.items() if text is not None}
        if as_curl:
            write_line(curl_of_an_upload(client.url, file, form, with_key=api_key is not None))
            return
        dataset = client.upload(file, target=target, name=name, columns=columns)
        if as_json:
            write_json(dataset.data)
            return
        console, data = output(), dataset.data
        console.print(
            f"[bold]{data['id']}[/] {data['rows']:,} rows of {len(data['columns'])} columns"
        )
        console.print(
            ", ".join(f"{one['name']} ({one['kind']})" for one in data["columns"]), markup=False
        )
        show_findings(console, data["findings"])


def submit_spec(
    spec: Annotated[Path, typer.Argument(help="The job, as JSON or YAML; - reads the input.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Wait for its end, and show how it goes.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Upload this file, and train on it.")] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    as_curl: AsCurl = False,
) -> None:
    """Post a job; with --watch, wait for its end."""
    with connected(url, api_key) as client:
        from parsimony.words import waits_for
        from service.terminal.curl_line import curl_of_a_job, curl_of_an_upload
        from service.terminal.display import output, show_accepted, show_findings
        from service.terminal.spec_file import read_spec

        body, console, told = read_spec(spec), output(), set[str]()
        if target is not None:
            body["target"] = target
        if as_curl:
            with_key = api_key is not None
            if data is not None:
                write_line(curl_of_an_upload(client.url, data, {}, with_key=with_key))
                body["dataset"] = "ds_…"
            write_line(curl_of_a_job(client.url, body, with_key=with_key))
            return
        if data is not None:
            dataset = client.upload(data, target=target)
            body["dataset"] = dataset.id
            if not as_json:
                console.print(f"[bold]{dataset.id}[/] {dataset.data['rows']:,} rows of {data.name}")
                show_findings(console, dataset.findings, told)
        job = client.submit(body)
        if not as_json:
            show_accepted(console, job.data, told)
        if watch:
            _watch(client, job, as_json=as_json, told=told)
        elif as_json:
            write_json(job.data)
        else:
            waits = waits_for(job.data)
            if waits is not None:
                console.print(f"it {waits}")
            console.print(f"watch it: parsimony watch {job.id}", style="dim")


def watch_job(
    job: JobName = "latest", url: Url = None, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Wait for a job's end, and show how it goes; exits 3 if it failed, 4 if cancelled."""
    with connected(url, api_key) as client:
        _watch(client, client.job(job), as_json=as_json)


def write_curl(client: "Client", path: str, api_key: str | None) -> None:
    """The line that asks for the same."""
    from service.terminal.curl_line import curl_of_an_answer

    write_line(curl_of_an_answer(client.url, path, with_key=api_key is not None))


def print_jobs(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most jobs.")] = 20,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    as_curl: AsCurl = False,
) -> None:
    """List the newest jobs."""
    with connected(url, api_key) as client:
        from service.terminal.display import output, show_jobs

        if as_curl:
            path = f"/v1/jobs?limit={limit}" + ("" if state is None else f"&state={state}")
            write_curl(client, path, api_key)
            return
        listed = client.jobs(state=state, limit=limit)
        if as_json:
            write_json(listed)
        else:
            show_jobs(output(), listed)


def print_report(
    job: JobName = "latest",
    top: Annotated[int, typer.Option(min=1, max=100, help="Most configurations.")] = 10,
    markdown: Annotated[bool, typer.Option("--markdown", help="The whole report, as Markdown.")] = (
        False
    ),
    html: Annotated[bool, typer.Option("--html", help="The same as one page with pictures.")] = (
        False
    ),
    url: Url = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
    as_curl: AsCurl = False,
) -> None:
    """Print what came of a job: the verdict, the configurations, the advice."""
    with connected(url, api_key) as client:
        from parsimony import calls
        from service.terminal.display import output, show_findings, show_report

        ending = ".html" if html else ".md" if markdown else ""
        path = f"/v1/jobs/{job}/report{ending}"
        if as_curl:
            write_curl(client, path, api_key)
        elif ending:
            write_line(client.send(calls.read_text(path)).rstrip("\n"))
        elif as_json:
            write_json(client.send(calls.read_report(job)))
        else:
            handle, console = client.job(job), output()
            show_report(console, handle.report, most=top)
            show_findings(console, handle.advice)


def export_curves(
    job: JobName = "latest",
    form: Annotated[
        ExportChoice, typer.Option("--format", help="The tool that is to read them.")
    ] = ExportChoice.CSV,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Most trials, the best.")] = 100,
    out: Out = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_curl: AsCurl = False,
) -> None:
    """Give out a job's curves: CSV, or a zip of files for TensorBoard or MLflow."""
    with connected(url, api_key) as client:
        if as_curl:
            path = f"/v1/jobs/{job}/export?format={form.value}&top={top}"
            write_curl(client, path, api_key)
        else:
            write_content(client.job(job).export(form.value, top=top), out)


def print_logs(
    job: JobName = "latest", url: Url = None, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Print a job's log, oldest first."""
    with connected(url, api_key) as client:
        from service.terminal.display import output, show_events

        events = client.job(job).log()
        if as_json:
            write_json(events)
        else:
            show_events(output(), events)


def cancel_by_id(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")],
    url: Url = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a job; what has finished of it is kept."""
    with connected(url, api_key) as client:
        data = client.job(job).cancel().data
        if as_json:
            write_json(data)
        elif data["state"] == "cancelled":
            write_line(f"{data['id']} is cancelled")
        else:
            write_line(f"{data['id']} ends within about a second")


def predict_file(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    rows: Annotated[Path, typer.Argument(help="CSV, lines of JSON, or Parquet.")],
    version: Annotated[
        str | None, typer.Option(help="A version's number or an alias; the newest unless given.")
    ] = None,
    out: Out = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_curl: AsCurl = False,
) -> None:
    """Predict a file of rows; they come back with the answers' columns appended."""
    with connected(url, api_key) as client:
        from service.terminal.curl_line import curl_of_a_prediction

        if as_curl:
            query = "" if version is None else f"?version={version}"
            path = f"/v1/models/{model}/predict{query}"
            write_line(curl_of_a_prediction(client.url, path, rows, with_key=api_key is not None))
            return
        write_content(client.model(model, version).predict(rows), out)


def print_status(
    url: Url = None, api_key: ApiKey = None, as_json: AsJson = False, as_curl: AsCurl = False
) -> None:
    """Say how the service is: its parts, its workers, what waits for them."""
    with connected(url, api_key) as client:
        from service.terminal.display import output, show_system

        if as_curl:
            write_curl(client, "/v1/system", api_key)
            return
        system = client.system()
        if as_json:
            write_json(system)
        else:
            show_system(output(), system)


def _watch(client: "Client", job: "Job", *, as_json: bool, told: set[str] | None = None) -> None:
    """Show a job until its end; exits by how it ended."""
    import time

    from parsimony import calls
    from parsimony.client import LOOK_SECONDS, PATIENCE
    from service.terminal.display import output, show_end, watched

    try:
        with interruptible() as check, watched(quiet=as_json) as shown:

            def look(seen: "JobData", metrics: "MetricsData | None") -> None:
                check()
                if shown is not None:
                    shown.show(seen, metrics)

            data = client.carry(
                calls.wait(
                    job.id,
                    clock=time.monotonic,
                    timeout=None,
                    seen=look,
                    step=LOOK_SECONDS,
                    losses=shown is not None,
                    patience=PATIENCE,
                )
            )
    except KeyboardInterrupt:
        say_problem(
            f"\n{job.id} goes on.\n"
            f"  watch it again  parsimony watch {job.id}\n"
            f"  cancel it       parsimony cancel {job.id}"
        )
        raise typer.Exit(Exit.INTERRUPTED) from None
    if as_json:
        write_json(data)
    else:
        report = client.send(calls.read_report(job.id)) if data["best"] is not None else None
        show_end(output(), data, report, told)
    raise typer.Exit(OF_A_JOB[data["state"]])
