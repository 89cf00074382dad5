"""What `GET /metrics` shows, in Prometheus's text format: the state of all work, from the database,
and what this process has done, from its memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from service.serving.residents import Resident
from service.serving.statistics import Statistics
from service.telemetry.process import LoopLag, ProcessState
from service.telemetry.requests import BOUNDS, Histogram, Requests
from worker.storage.census import Census
from worker.storage.counters import (
    CHECKPOINT_SECONDS,
    CHECKPOINTS,
    EPOCHS,
    EVENT,
    TRIALS,
    Total,
)
from worker.storage.workers import SEEN_SECONDS

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
TENANT = "tenant"
"""The label of what is a tenant's. Loaded models alone have it, and memory bounds those."""


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def written(families: Iterable[Metric]) -> bytes:
    """Metrics as text."""
    return generate_latest(_Families(families))


def of_work(census: Census, totals: Mapping[str, Total]) -> Iterator[Metric]:
    """The state of all work, and what has happened since the database was made.

    The same from whichever process answers: to be read by `max`, not by `sum`, over processes.
    """
    for name, what, groups in (
        ("jobs", "Jobs that have not ended", census.jobs),
        ("fleets", "Fleets (trials that train together) that have not ended", census.fleets),
    ):
        family = GaugeMetricFamily(f"parsimony_{name}", f"{what}.", labels=["kind", "state"])
        for group in groups:
            family.add_metric([group.kind, group.state], group.count)
        yield family
    yield GaugeMetricFamily(
        "parsimony_oldest_due_seconds",
        "How long the oldest fleet that could be claimed has waited; 0 where none waits.",
        value=census.oldest_due_seconds or 0.0,
    )
    yield GaugeMetricFamily(
        "parsimony_fleets_waiting_for_place",
        "Fleets that wait out a fault of storage, database, network or disk.",
        value=census.waiting_for_place,
    )
    yield from _workers(census)
    yield from _totals(totals)


def _workers(census: Census) -> Iterator[Metric]:
    workers = GaugeMetricFamily(
        "parsimony_workers",
        f"Workers by device and state: there, draining, or silent for {SEEN_SECONDS:g} s.",
        labels=["device", "state"],
    )
    slots = GaugeMetricFamily(
        "parsimony_worker_slots",
        "Fleets that the workers which are there train at a time.",
        labels=["device"],
    )
    counts: dict[tuple[str, str], int] = {}
    places: dict[str, int] = {}
    for worker in census.workers:
        state = "draining" if worker.draining else "there"
        if not worker.is_there:
            state = "silent"
        device = worker.entry.device
        counts[device, state] = counts.get((device, state), 0) + 1
        if state == "there":
            places[device] = places.get(device, 0) + worker.entry.slots
    for labels, count in counts.items():
        workers.add_metric(labels, count)
    for device, count in places.items():
        slots.add_metric([device], count)
    yield workers
    yield slots


def _totals(totals: Mapping[str, Total]) -> Iterator[Metric]:
    none = Total(0, 0.0)
    for prefix, name, what, label in (
        (EVENT, "job_events", "Lines of the jobs' logs by type: started, resumed, …", "type"),
        (TRIALS, "trials", "Trials that have ended, by state.", "state"),
    ):
        family = CounterMetricFamily(f"parsimony_{name}", what, labels=[label])
        for key, total in totals.items():
            if key.startswith(prefix):
                family.add_metric([key.removeprefix(prefix)], total.count)
        yield family
    checkpoints, took = totals.get(CHECKPOINTS, none), totals.get(CHECKPOINT_SECONDS, none)
    epochs = totals.get(EPOCHS, none)
    for name, what, value in (
        ("epochs", "Epochs of single trials that were trained.", epochs.count),
        ("checkpoints", "Checkpoints that were written.", checkpoints.count),
        ("checkpoint_bytes", "What they held.", checkpoints.amount),
        ("checkpoint_seconds", "Time that training stood still for them.", took.amount),
    ):
        yield CounterMetricFamily(f"parsimony_{name}", what, value=value)


def of_database(*, up: bool, seconds: float) -> Iterator[Metric]:
    """Whether the database told the state of the work, and how long that took."""
    yield GaugeMetricFamily(
        "parsimony_database_up",
        "1 if the database answered in time; else the state of the work is left out.",
        value=float(up),
    )
    yield GaugeMetricFamily(
        "parsimony_database_query_seconds",
        "How long the queries of these metrics took when they were last asked.",
        value=seconds,
    )


def of_process(
    process: str, release: str, requests: Requests, residents: Iterable[Resident], lag: LoopLag
) -> Iterator[Metric]:
    """What this process has done since it began."""
    yield InfoMetricFamily(
        "parsimony_build", "The release.", value={"process": process, "release": release}
    )
    http = HistogramMetricFamily(
        "parsimony_http_request_seconds",
        "Time from a request's head to the end of its answer; long polls and streams included.",
        labels=["process", "method", "route", "status"],
    )
    for key, histogram in list(requests.histograms.items()):
        _add(http, [process, *key], histogram)
    yield http
    late = HistogramMetricFamily(
        "parsimony_event_loop_lag_seconds",
        "How much later than asked the event loop comes to a task, looked at twice a second.",
        labels=["process"],
    )
    _add(late, [process], lag.histogram)
    yield late
    yield _gauge("parsimony_http_requests_open", "Requests in hand.", process, requests.open)
    yield from _predictions(process, residents)
    state = ProcessState.now()
    cpu = CounterMetricFamily("process_cpu_seconds", "Processor time.", labels=["process"])
    cpu.add_metric([process], state.cpu_seconds)
    yield cpu
    for name, what, value in (
        ("process_resident_memory_bytes", "Memory that is resident.", state.resident_bytes),
        ("process_open_fds", "File descriptors that are open.", state.open_descriptors),
        ("process_max_fds", "File descriptors that may be open.", state.max_descriptors),
    ):
        if value is not None:
            yield _gauge(name, what, process, value)


def _gauge(name: str, what: str, process: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, what, labels=["process"])
    family.add_metric([process], value)
    return family


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    totals = list(accumulate(histogram.counts))
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    family.add_metric(labels, list(zip(bounds, totals, strict=True)), histogram.ns * 1e-9)


def without_others(families: Iterable[Metric], tenant: str) -> Iterator[Metric]:
    """Metrics without what is another tenant's: how its models are called, and how much they are
    asked.
    """
    for family in families:
        family.samples = [
            sample for sample in family.samples if sample.labels.get(TENANT, tenant) == tenant
        ]
        yield family


def _predictions(process: str, residents: Iterable[Resident]) -> Iterator[Metric]:
    labels = ["process", TENANT, "model", "version"]
    held = [([process, one.tenant, one.name, str(one.version)], one) for one in residents]
    counted: tuple[tuple[str, str, Callable[[Statistics], float]], ...] = (
        ("requests", "Requests that a loaded model answered.", lambda s: s.requests),
        ("rows", "Rows that it answered.", lambda s: s.rows),
        ("failures", "Requests that it could not answer.", lambda s: s.failures),
        ("refused", "Requests that could not have been answered in time.", lambda s: s.refused),
        ("abandoned", "Requests whose client left before.", lambda s: s.abandoned),
        ("seconds", "Time of the answered requests.", lambda s: s.stages["total"].ns * 1e-9),
        ("queue_seconds", "Their time before a batch.", lambda s: s.stages["queue"].ns * 1e-9),
        ("compute_seconds", "Their time in a batch.", lambda s: s.stages["compute"].ns * 1e-9),
    )
    for name, what, value in counted:
        family = CounterMetricFamily(f"parsimony_prediction_{name}", what, labels=labels)
        for of_model, resident in held:
            family.add_metric(of_model, value(resident.statistics))
        yield family
    weights = GaugeMetricFamily("parsimony_model_bytes", "What it takes in memory.", labels=labels)
    for of_model, resident in held:
        weights.add_metric(of_model, resident.bytes)
    yield weights
