from typing import Any

import pytest

from worker.errors import SpecError
from worker.regularization import Regularization, techniques
from worker.regularization.families.augmentation import ImageAugmentation
from worker.spec import MlpSpec, Training, Trial
from worker.spec.data_checks import check_on_data

IMAGES = [n for n, t in techniques().items() if issubclass(t, ImageAugmentation)]


def check(regularization: dict[str, Any], shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
    trial = Trial(
        name="t",
        configuration=0,
        network=MlpSpec(),
        regularization=Regularization.model_validate(regularization),
        training=Training(),
    )
    check_on_data(trial, shape=shape, classes=classes)


@pytest.mark.parametrize("name", IMAGES)
def test_image_techniques_need_images(name: str) -> None:
    check({name: {}}, (3, 32, 32), ("a", "b"))
    for shape in ((10,), (3, 100)):
        with pytest.raises(SpecError, match="needs images") as caught:
            check({name: {}}, shape, ("a", "b"))
        assert caught.value.param == f"regularization.{name}"


@pytest.mark.parametrize("name", ["label_smoothing", "class_weights"])
def test_classes_are_needed(name: str) -> None:
    check({name: {}}, (10,), ("a", "b"))
    with pytest.raises(SpecError, match="acts on classes"):
        check({name: {}}, (10,), ())


def test_any_data_takes_the_others() -> None:
    check({"mixup": {}, "cutmix": {}, "cutout": {}, "adversarial": {}}, (10,), ())


@pytest.mark.parametrize(
    ("regularization", "param", "message"),
    [
        ({"class_weights": {"weights": {"god": 2}}}, "class_weights.weights.god", "'good'"),
        ({"random_crop": {"padding": 8}}, "random_crop.padding", "8 pixels"),
        ({"color_jitter": {"saturation": 0.1}}, "color_jitter.saturation", "three channels"),
    ],
)
def test_refusals_name_field_and_remedy(
    regularization: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        check(regularization, (1, 8, 8), ("good", "bad"))
    assert caught.value.param == f"regularization.{param}"
