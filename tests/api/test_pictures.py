"""One instance alone, and images as files in base64: the answers of the same pixels as arrays."""

import base64
import io
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.api.client import Client
from tests.api.work import post, train

NOISE = np.random.default_rng(0).integers(0, 256, (48, 6, 5, 3), dtype=np.uint8)


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, kind)
    return sink.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module", autouse=True)
def models(client: Client) -> None:
    """Models of pictures of 5 x 6 pixels: in colours, and gray."""
    for name, images in (("colours", NOISE), ("gray", NOISE[..., 0])):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w") as archive:
            for number, pixels in enumerate(images):
                archive.writestr(f"{'ab'[number % 2]}/{number}.png", png(pixels))
        made = client.post("/v1/datasets", files={"file": ("images.zip", sink.getvalue())})
        train(client, post(client, dataset=made.json()["id"], model=name))


def predict(client: Client, model: str, **body: Any) -> Any:
    answer = client.post(f"/v1/models/{model}/predict", json=body)
    return answer.json()


@pytest.mark.parametrize(("model", "images"), [("colours", NOISE), ("gray", NOISE[..., 0])])
def test_a_picture_is_its_pixels(client: Client, model: str, images: np.ndarray) -> None:
    expected = predict(client, model, instances=images[:3].tolist())
    assert len(expected["predictions"]) == 3
    forms = [
        text(png(images[0])),
        {"image": "data:image/png;base64," + text(png(images[1]))},
        {"b64": text(png(images[2]))},
    ]
    assert predict(client, model, instances=forms) == expected
    forms[1] = images[1].tolist()
    forms[2] = {"image": {"b64": text(png(images[2]))}}
    assert predict(client, model, instances=forms) == expected
    jpeg = png(images[0], "JPEG")
    decoded = np.asarray(Image.open(io.BytesIO(jpeg)))
    as_array = predict(client, model, instance=decoded.tolist())
    assert predict(client, model, instance=text(jpeg)) == as_array


def test_a_gray_picture_has_three_channels_among_colours(client: Client) -> None:
    gray = NOISE[0, ..., 0]
    expected = predict(client, "colours", instance=np.stack([gray] * 3, axis=2).tolist())
    assert predict(client, "colours", instance=text(png(gray))) == expected


@pytest.mark.parametrize(
    ("model", "cell", "code", "says"),
    [
        ("colours", text(png(NOISE[0, :4])), "shape_mismatch", "5 x 4 pixels"),
        ("gray", text(png(NOISE[0])), "invalid_picture", "grayscale"),
        ("gray", "not base64", "invalid_picture", "base64"),
        ("gray", text(b"GIF89a"), "invalid_picture", "PNG or JPEG"),
        ("gray", text(png(NOISE[0, ..., 0])[:-30]), "invalid_picture", "whole"),
        ("gray", {"b64": 1}, "invalid_picture", "no text"),
    ],
)
def test_a_picture_that_is_none_is_told_why(
    client: Client, model: str, cell: Any, code: str, says: str
) -> None:
    right = NOISE[0].tolist() if model == "colours" else NOISE[0, ..., 0].tolist()
    told = predict(client, model, instances=[right, cell])
    assert (told["status"], told["code"], told["param"]) == (422, code, "instances.1.image")
    assert says in told["detail"]


def test_a_large_picture_is_refused_by_its_head(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = png(np.zeros((3000, 3000), dtype=np.uint8))

    def load(image: Any) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    told = predict(client, "gray", instance=text(content))
    assert told["code"] == "shape_mismatch"
    assert "3,000 x 3,000" in told["detail"]


def test_one_alone_is_answered_as_one_of_many(client: Client) -> None:
    pixels = NOISE[0].tolist()
    expected = predict(client, "colours", instances=[pixels])
    assert predict(client, "colours", instance=pixels) == expected
    assert predict(client, "colours", instance={"image": pixels}) == expected


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instance": None},
        {"instances": None},
        {"instance": [[1]], "instances": [[[1]]]},
        {"instance": 1},
        {"instances": []},
    ],
)
def test_neither_and_both_are_refused(client: Client, body: Any) -> None:
    told = predict(client, "gray", **body)
    assert told["status"] == 422, told
    assert "instance" in told["detail"]
