"""What can be asked of a model beside the plain answer, and what it must have kept for that."""

from dataclasses import dataclass

from worker.errors import SpecError
from worker.models.answers import AnswerSettings
from worker.models.conformal import CalibrationManifest, most_coverage
from worker.models.file import Manifest, ModelFile
from worker.regularization.families import ActivationDropout, WeightDropout
from worker.spec import LossSpec, QuantileLoss, TaskKind


@dataclass(frozen=True)
class Answerable:
    """What a model is, as far as that decides what it can answer."""

    task: TaskKind
    loss: LossSpec | None
    """That it was trained with, where that was not its task's own."""
    members: int
    """Networks that answer together."""
    dropout: bool
    """Whether any of them was trained with dropout."""
    calibration: CalibrationManifest | None
    """What it keeps of rows that did not train it."""

    @classmethod
    def of(cls, manifest: Manifest, position: int) -> "Answerable":
        """From what its file says, without its weights.

        Raises:
            ModelError: the file has no such trial.
        """
        file = ModelFile({}, manifest)
        joint = manifest.networks
        members = len(joint) if joint else max(1, manifest.members[position])
        numbers = [network.trial for network in joint] if joint else [position]
        trials = [file.trial(number) for number in dict.fromkeys(numbers)]
        dropout = any(
            isinstance(technique, ActivationDropout | WeightDropout)
            for trial in trials
            for _, technique in trial.regularization.techniques()
        )
        loss = trials[0].training.loss
        return cls(file.target().task, loss, members, dropout, manifest.calibration)

    def check(self, settings: AnswerSettings) -> None:
        """Refuse what it cannot answer so.

        Raises:
            SpecError: naming the field and the remedy.
        """
        if settings.plain:
            return
        if settings.mc_samples:
            for name, given in (
                ("calibrated", settings.calibrated),
                ("coverage", settings.coverage is not None),
                ("members", settings.members),
            ):
                if given:
                    raise _refused(
                        name,
                        "cannot be had together with mc_samples: what it rests on was measured of "
                        "the plain answer, not of the mean of passes with dropout; ask for one of "
                        "them at a time",
                    )
            if not self.dropout:
                raise SpecError(
                    "This model was trained without dropout, so there is nothing to be sampled; "
                    "leave mc_samples out.",
                    code="no_dropout",
                    param="mc_samples",
                )
        if settings.calibrated:
            self._check_calibrated(settings)
        if settings.coverage is not None:
            self._check_coverage(settings.coverage)
        if settings.members and self.members < 2:
            raise _refused(
                "members",
                "is about models of several networks, and this one is a single network; leave it "
                "out, or train with search.ensemble, ensemble or snapshot_ensemble",
            )

    def _check_calibrated(self, settings: AnswerSettings) -> None:
        if self.task == "regression":
            raise _refused(
                "calibrated",
                "is about the probabilities of classes, and this model answers values; leave it "
                "out, or ask for coverage, which gives intervals",
            )
        if settings.members:
            raise _refused(
                "calibrated",
                "cannot be had together with members: the temperature was fitted to the members' "
                "mean, and says nothing of how they differ; ask for one of them at a time",
            )
        if self.calibration is None or self.calibration.temperature is None:
            raise _refused("calibrated", _NOTHING_KEPT)

    def _check_coverage(self, coverage: float) -> None:
        if isinstance(self.loss, QuantileLoss):
            raise _refused(
                "coverage",
                f"makes no sense of this model: it answers the {self.loss.q:g}-quantile, and an "
                "interval around a quantile is no interval around the value; train with another "
                "training.loss, such as huber, or two models of two quantiles",
            )
        calibration = self.calibration
        if calibration is None or calibration.nonconformity is None or not calibration.kept:
            raise _refused("coverage", _NOTHING_KEPT)
        most = most_coverage(calibration.kept)
        if coverage > most + 1e-12:
            raise _refused(
                "coverage",
                f"of {coverage:g} takes more rows than this model has kept: {calibration.kept:,} "
                f"rows give {_rounded_down(most):g} at most; ask for that, or train with more rows "
                "held back, by split.validation or split.folds",
            )


_NOTHING_KEPT = (
    "needs rows that were held back from training, and this model has kept nothing of such rows: "
    "leave it out, or train the model anew with split.validation above 0, or split.folds"
)


def _rounded_down(level: float) -> float:
    """To four decimals, so that it can be asked for as it is told."""
    return int(level * 10_000) / 10_000


def _refused(param: str, fact: str) -> SpecError:
    return SpecError(f"{param}: {fact}.", code="not_answerable", param=param)
