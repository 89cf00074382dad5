"""The checks of ``gpu.py``: one method each, which gives what was seen or raises."""

import time
import traceback
from itertools import count
from typing import Any

import numpy as np
import torch
from _gpu_fleets import (
    SGD,
    STAGES,
    TECHNIQUES,
    WINE,
    apart,
    launched,
    pictures,
    planned,
    seeds,
    trained,
)
from _gpu_speed import MIB, Held, seconds, stepping, synchronize
from torch import Tensor

from worker.data import Prepared
from worker.models import TrainedModel, certify
from worker.regularization import techniques
from worker.regularization.l1 import L1
from worker.spec import Trial
from worker.training import FleetRun, dump_state, load_state
from worker.training.engine import Engine
from worker.training.fleet import update
from worker.training.stepping import CapturedSteps, LaunchedSteps

ROUNDING = 1e-6
"""What captured and launched steps may be apart by."""


class NotHere(Exception):  # noqa: N818  (says what is the case)
    """What a check needs is not on this machine."""


def asking(engine: Engine, index: Tensor, rate: Any, number: Any) -> None:
    """A step that asks the device for a value, which no capture allows."""
    float(engine.objective.sum())
    update(engine, index, rate, number)


class Checks:
    """The checks, on one device."""

    def __init__(self, device: str, *, quick: bool) -> None:
        self.device, self.quick = device, quick

    def _needs_cuda(self) -> None:
        if not self.device.startswith("cuda"):
            raise NotHere("CUDA graphs are for CUDA")

    def _fleet(self, number: int, epochs: int, **training: Any) -> tuple[list[Trial], Prepared]:
        settings = {"epochs": epochs, "batch_size": 96, **training}
        trials, prepared, _ = planned(
            {"regularization": TECHNIQUES, "compare": seeds(number, settings)}
        )
        return trials, prepared

    def start(self) -> str:
        """As a trainer that was forked begins: the device has done nothing yet."""
        trials, prepared = self._fleet(16, 1)
        passed = []
        for _ in "ab":
            begin = time.perf_counter()
            run = FleetRun(trials, prepared, self.device)
            run.engine.start_epoch(0)
            run.step(0)
            synchronize(self.device)
            passed.append(time.perf_counter() - begin)
        return f"until the first step {passed[0]:.2f} s; of a second fleet {passed[1]:.2f} s"

    def captured(self) -> str:
        """The last batch is smaller than the others: two graphs."""
        self._needs_cuda()
        trials, prepared = self._fleet(8, 3)
        run, other = (FleetRun(trials, prepared, self.device) for _ in "ab")
        if not isinstance(run.step, CapturedSteps):
            raise AssertionError(f"steps are {type(run.step).__name__}")
        difference = apart(trained(run), trained(launched(other)))
        if not run.step._works:
            raise AssertionError("the capture was refused; see the warning above")
        if difference > ROUNDING:
            raise AssertionError(f"largest difference of weights {difference:.2g}")
        return f"largest difference of weights {difference:.2g}; {len(run.step._graphs)} graphs"

    def techniques(self) -> str:
        """Each by itself as usually set, on the first of the networks that it fits."""
        largest, tried, not_captured, failed = 0.0, 0, [], []
        for name, technique in techniques().items():
            usual = technique.usual()
            network, facts, job, beside = next(
                stage for stage in STAGES if usual.fits(*stage[:2]) is None
            )
            tried += 1
            try:
                trials, prepared, _ = planned(
                    {
                        **job,
                        "network": network.model_dump(mode="json"),
                        "regularization": {**beside, name: usual.model_dump(mode="json")},
                        "training": {"epochs": 3, "batch_size": 32, "optimizer": SGD},
                        "repeats": 3,
                    },
                    None if job else pictures(100, *facts.shape),
                )
                run, other = (FleetRun(trials, prepared, self.device) for _ in "ab")
                difference = apart(trained(run), trained(launched(other)))
                run.results()
            except Exception as error:  # one technique must not hide the others
                traceback.print_exc()
                failed.append(f"{name} ({error})")
                continue
            largest = max(largest, difference)
            if difference > ROUNDING:
                failed.append(f"{name} ({difference:.2g} apart)")
            if self.device.startswith("cuda") and not getattr(run.step, "_works", False):
                not_captured.append(name)
        line = f"{tried} tried; largest difference of weights {largest:.2g}"
        line += f"; not captured: {', '.join(not_captured) or 'none'}"
        if failed:
            raise AssertionError(f"{line}; {'; '.join(failed)}")
        return line

    def company(self) -> str:
        """Seven trials, and the third of them alone."""
        odd = {
            **WINE,
            "network": {"kind": "mlp", "hidden": [7, 5]},
            "regularization": {"dropout": {"p": 0.2}, "l2": {"strength": 1e-3}},
            "training": {"epochs": 3, "batch_size": 13},
            "repeats": 7,
        }
        convolutions = {"network": {"kind": "cnn", "channels": [4], "hidden": [8]}, "repeats": 7}
        convolutions["training"] = {"epochs": 2, "batch_size": 32}
        fleets = {
            "even sizes": self._fleet(7, 3),
            "odd sizes": planned(odd)[:2],
            "images": planned(convolutions, pictures(200, 1, 12, 12))[:2],
        }
        lines = []
        for name, (trials, prepared) in fleets.items():
            together = trained(FleetRun(trials, prepared, self.device))[2]
            alone = trained(FleetRun(trials[2:3], prepared, self.device))[0]
            difference = apart(together, alone)
            found = f"{difference:.2g} apart" if difference else "the same bits"
            lines.append(f"{name}: {found}")
        return "; ".join(lines)

    def leaving(self) -> str:
        """Sixteen trials, of which half stop after two to five epochs."""
        members = [
            {"name": str(n), "regularization": {**TECHNIQUES, "early_stopping": stopping}}
            for n in range(16)
            for stopping in [{"patience": 1 + n % 4, "min_delta": 10.0 if n % 2 else 0.0}]
        ]
        training = {"epochs": 8, "batch_size": 96}
        trials, prepared, _ = planned({"compare": members, "training": training})
        run, other = (FleetRun(trials, prepared, self.device) for _ in "ab")
        weights = trained(run)
        for _ in launched(other).epochs():
            if not isinstance(other.step, LaunchedSteps):  # a smaller fleet steps as it likes
                launched(other)
        difference = apart(weights, other.finals.tensors["weights"])
        if len(run.members) == 16:
            raise AssertionError("none has left")
        if difference > ROUNDING * 100:
            raise AssertionError(f"weights are apart by {difference:.2g}")
        return f"{len(run.members)} of 16 went on; largest difference of weights {difference:.2g}"

    def resume(self) -> str:
        """Within an epoch: on the same device, and from one to the other."""
        trials, prepared = self._fleet(4, 4, optimizer={"kind": "sgd", "learning_rate": 0.05})

        def broken(first: str, second: str) -> Tensor:
            steps = count()
            run = FleetRun(trials, prepared, first)
            for _ in run.epochs(interrupted=lambda: next(steps) >= 13):
                pass
            resumed = FleetRun(trials, prepared, second)
            resumed.restore(load_state(dump_state(run.state())))
            return trained(resumed)

        expected = trained(FleetRun(trials, prepared, self.device))
        same = apart(broken(self.device, self.device), expected)
        if same:
            raise AssertionError(f"on the same device weights are {same:.2g} apart")
        others = [
            apart(broken(*way), expected) for way in (("cpu", self.device), (self.device, "cpu"))
        ]
        if not np.isfinite(others).all():
            raise AssertionError("weights are not finite")
        return (
            "the same bits on the device; masks differ by device, so to and from the processor "
            + (" and ".join(f"{difference:.2g}" for difference in others) + " apart")
        )

    def solver(self) -> str:
        """Softmax regression with an L1 penalty."""
        job = {
            **WINE,
            "network": {"kind": "linear"},
            "regularization": {"l1": {"strength": 1e-3}},
            "training": {"epochs": 40, "optimizer": {"kind": "solver", "tolerance": 1e-6}},
            "repeats": 3,
        }
        trials, prepared, _ = planned(job)
        runs = [FleetRun(trials, prepared, device) for device in (self.device, "cpu")]
        difference = apart(*(trained(run) for run in runs))
        if difference > 1e-5:
            raise AssertionError(f"weights are {difference:.2g} from the processor's")
        step, beside = (seconds(stepping(run), run.device) for run in runs)
        line = f"weights are {difference:.2g} from the processor's"
        return f"{line}; {step * 1e6:,.0f} µs an iteration, {beside * 1e6:,.0f} on one CPU thread"

    def served(self) -> str:
        """Trained here, certified on the processor: how far its answers are from those here."""
        differences = []
        for network, facts, job, beside in STAGES:
            of_network = {"network": network.model_dump(mode="json"), "regularization": beside}
            for precision in ("float32", "bfloat16"):
                training = {"epochs": 5, "batch_size": 32, "precision": precision}
                trials, prepared, _ = planned(
                    {**job, **of_network, "training": training},
                    None if job else pictures(400, *facts.shape),
                )
                run = FleetRun(trials, prepared, self.device)
                trained(run)
                certificate = certify(TrainedModel.load(run.result().dump(), 0))
                found = {check.name: check.detail for check in certificate.checks}["as_trained"]
                differences.append(found.split()[2])
                if not certificate.passed:
                    raise AssertionError(f"{network.kind} in {precision}: {certificate.checks}")
        return f"certified; scores apart by {', '.join(differences)} of the largest"

    def fleet(self) -> str:
        """The owner's network, one seed for all as in a search, λ of its own for each."""
        number, epochs = (16, 2) if self.quick else (4096, 50)
        (trial,), prepared, reckoned = planned(
            {
                "dataset": {"builtin": "circle", "rows": 1000},
                "network": {"kind": "mlp", "hidden": [50, 50]},
                "regularization": {"dropout": {"p": 0.2}, "l1": {"strength": 1e-6}},
                "training": {"epochs": epochs, "batch_size": 32},
            }
        )
        trials = []
        for n in range(number):
            l1 = L1(strength=1e-6 * n)
            regularization = trial.regularization.model_copy(update={"l1": l1})
            update_of = {"configuration": n, "regularization": regularization}
            trials.append(trial.model_copy(update=update_of))
        held = Held(self.device)
        marks = [time.perf_counter()]

        def mark() -> None:
            synchronize(self.device)
            marks.append(time.perf_counter())

        run = FleetRun(trials, prepared, self.device)
        mark()
        trained(run)
        mark()
        run.results()
        mark()
        run.result().dump()
        mark()
        built, training, results, file = np.diff(marks)
        steps = epochs * run.engine.batches
        line = (
            f"K = {number}, {epochs} epochs: {marks[-1] - marks[0]:.1f} s, of which {built:.1f} "
            f"before the first step, {training:.1f} for {steps} steps and the ends of the epochs, "
            f"{results:.1f} for the results, {file:.1f} for the file"
        )
        if held.on_gpu:
            line += f"; tensors of {held.tensors() / MIB:.0f} MiB, {held.all() / MIB:.0f} held"
            line += f", {reckoned * number / MIB:.0f} reckoned"
            if held.tensors() > reckoned * number:
                raise AssertionError(f"{line}: more than the planner reckons with")
        return line

    def bfloat16(self) -> str:
        """The loss of the same training in both precisions."""
        losses = []
        for precision in ("float32", "bfloat16"):
            trials, prepared = self._fleet(4, 3 if self.quick else 20, precision=precision)
            run = FleetRun(trials, prepared, self.device)
            trained(run)
            values = [result.metrics["validation_loss"] for result in run.results()]
            losses.append(float(np.mean([value for value in values if value is not None])))
        if abs(losses[0] - losses[1]) > 0.1:
            raise AssertionError(f"validation loss {losses[0]:.3f} and {losses[1]:.3f}")
        return f"validation loss {losses[0]:.6f} in float32, {losses[1]:.6f} in bfloat16"

    def images(self) -> str:
        """Convolutions, batch normalization, dropped maps, flipped pictures."""
        rows, number, epochs = (64, 2, 1) if self.quick else (2000, 16, 3)
        trials, prepared, _ = planned(
            {
                "network": {"kind": "cnn", "channels": [8, 16], "hidden": [32]},
                "regularization": {"spatial_dropout": {"p": 0.1}, "batch_norm": {}, "flip": {}},
                "training": {"epochs": epochs, "batch_size": 128},
                "repeats": number,
            },
            pictures(rows, 1, 28, 28),
        )
        run = FleetRun(trials, prepared, self.device)
        begin = time.perf_counter()
        trained(run)
        passed = time.perf_counter() - begin
        accuracies = [result.metrics["validation_accuracy"] or 0.0 for result in run.results()]
        step = seconds(stepping(run), self.device)
        line = (
            f"K = {number}, {epochs} epochs of {rows} images of 28×28: {passed:.1f} s, validation "
            f"accuracy {min(accuracies):.3f} to {max(accuracies):.3f}; {step * 1e6:,.0f} µs a step"
        )
        run = FleetRun(trials, prepared, self.device)
        step = seconds(stepping(launched(run)), self.device)
        beside = seconds(stepping(FleetRun(trials, prepared, "cpu")), "cpu", least=0.0)
        return f"{line}, {step * 1e6:,.0f} launched, {beside * 1e6:,.0f} on one CPU thread"

    def refused(self) -> str:
        """Such a capture fails, and must leave nothing behind."""
        self._needs_cuda()
        trials, prepared = self._fleet(8, 2)
        run, other, third = (FleetRun(trials, prepared, self.device) for _ in "abc")
        run.step = CapturedSteps(run.engine, asking)
        expected = trained(launched(other))
        differences = [apart(trained(run), expected), apart(trained(third), expected)]
        if run.step._works or not third.step._works:  # type: ignore[attr-defined]
            raise AssertionError("captures are not refused and taken as they should be")
        if torch.cuda.current_stream() != torch.cuda.default_stream():
            raise AssertionError("the stream is still that of the capture")
        if max(differences) > ROUNDING:
            raise AssertionError(f"weights are apart by {differences}")
        return f"launched instead, {differences[0]:.2g} apart; the next one is captured"
