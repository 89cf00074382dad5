"""Rules between a trial and its data, so that what cannot train is refused at the POST."""

from difflib import get_close_matches

from worker.errors import SpecError
from worker.regularization import ClassWeights, ColorJitter, EarlyStopping, RandomCrop
from worker.regularization.families.augmentation import ImageAugmentation
from worker.regularization.families.target import TargetTechnique
from worker.spec.network import CnnSpec
from worker.spec.trial import Trial


def check_on_data(trial: Trial, *, shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
    """Refuse a network and techniques that the data of a trial does not allow.

    Args:
        trial: the trial.
        shape: of one encoded row: ``(F,)``, ``(C, L)`` for a series, ``(C, H, W)`` for an image.
        classes: of the target, by name; none for a regression.

    Raises:
        SpecError: naming the field and the remedy.
    """
    if isinstance(trial.network, CnnSpec) and len(shape) not in {2, 3}:
        raise SpecError(
            f"A cnn needs images (C, H, W) or series (C, L), and a row is of shape {shape}; choose "
            "mlp or residual_mlp.",
            param="network.kind",
        )
    for name, technique in trial.regularization.techniques():
        param = f"regularization.{name}"
        if isinstance(technique, TargetTechnique) and not classes:
            raise SpecError(
                f"{name} acts on classes, and the target is a number; leave it out, or set task.",
                param=param,
            )
        if isinstance(technique, ImageAugmentation) and len(shape) != 3:
            raise SpecError(
                f"{name} needs images, and a row is of shape {shape}; for any data there are "
                "mixup, cutmix, cutout, adversarial and noise.",
                param=param,
            )
        if isinstance(technique, EarlyStopping):
            _check_metric(technique, classes, f"{param}.metric")
        if isinstance(technique, ClassWeights):
            _check_names(technique, classes, f"{param}.weights")
        if isinstance(technique, RandomCrop) and technique.padding >= min(shape[1:]):
            raise SpecError(
                f"A shift by {technique.padding} pixels may leave nothing of images of "
                f"{shape[1]}×{shape[2]}; an eighth of the side is usual.",
                param=f"{param}.padding",
            )
        if isinstance(technique, ColorJitter) and technique.saturation > 0 and shape[0] != 3:
            raise SpecError(
                f"Saturation needs three channels, and the images have {shape[0]}; set it to 0.",
                param=f"{param}.saturation",
            )


def _check_metric(technique: EarlyStopping, classes: tuple[str, ...], param: str) -> None:
    absent: tuple[str, ...] = ("rmse", "r2") if classes else ("accuracy", "recall")
    if len(classes) > 2:
        absent = (*absent, "recall")
    if technique.metric.endswith(absent):
        remedy = "validation_balanced_accuracy" if classes else "validation_rmse"
        raise SpecError(
            f"There is no {technique.metric} of this target; choose validation_loss or {remedy}.",
            param=param,
        )


def _check_names(technique: ClassWeights, classes: tuple[str, ...], param: str) -> None:
    if isinstance(technique.weights, str):
        return
    for name in technique.weights:
        if name not in classes:
            close = get_close_matches(name, classes) or classes[:10]
            raise SpecError(
                f"The target has no class {name!r}; did you mean {', '.join(map(repr, close))}?",
                param=f"{param}.{name}",
            )
