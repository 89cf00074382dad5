import stat
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from worker.data.images import read_images
from worker.data.reading import LIMITS, FileLimits
from worker.errors import DataError


def picture(
    mode: str = "L", size: tuple[int, int] = (5, 4), seed: int = 0, kind: str = "PNG"
) -> bytes:
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0]) if channels == 1 else (size[1], size[0], channels)
    pixels = np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)
    sink = BytesIO()
    Image.fromarray(pixels).convert(mode).save(sink, kind)
    return sink.getvalue()


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path / "images.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path / "images.zip"


def refuse(path: Path, limits: FileLimits = LIMITS) -> DataError:
    with pytest.raises(DataError) as caught:
        read_images(path, limits)
    assert caught.value.param == "file"
    return caught.value


def test_folders_are_classes(tmp_path: Path) -> None:
    files = {
        "dogs/1.png": picture(seed=1),
        "cats/2.png": picture(seed=2),
        "cats/10.png": picture(seed=3),
    }
    table = read_images(pack(tmp_path, files))
    assert table.names == ("image", "class")
    assert (table.target, dict(table.parts)) == ("class", {})
    assert table.column("class").categories == ("cats", "dogs")
    np.testing.assert_array_equal(table.values["class"], [0, 0, 1])
    images = table.values["image"]
    assert images.shape == (3, 1, 4, 5)
    assert images.dtype == np.uint8
    for row, name in enumerate(["cats/10.png", "cats/2.png", "dogs/1.png"]):
        np.testing.assert_array_equal(images[row, 0], np.asarray(Image.open(BytesIO(files[name]))))


def test_colour_if_one_has_it(tmp_path: Path) -> None:
    files = {"a/1.png": picture("L"), "b/1.png": picture("RGB"), "b/2.png": picture("RGBA", seed=4)}
    images = read_images(pack(tmp_path, files)).values["image"]
    assert images.shape == (3, 3, 4, 5)
    np.testing.assert_array_equal(images[0, 0], images[0, 2])
    expected = np.asarray(Image.open(BytesIO(files["b/1.png"])))
    np.testing.assert_array_equal(np.moveaxis(images[1], 0, 2), expected)


def test_jpeg_and_what_systems_add(tmp_path: Path) -> None:
    files = {
        "set/a/1.jpg": picture("RGB", kind="JPEG"),
        "set/b/1.jpeg": picture("CMYK", kind="JPEG"),
        "__MACOSX/set/a/._1.jpg": b"junk",
        "set/.DS_Store": b"junk",
        "set/a/Thumbs.db": b"junk",
    }
    table = read_images(pack(tmp_path, files))
    assert table.column("class").categories == ("a", "b")
    assert table.values["image"].shape == (2, 3, 4, 5)


@pytest.mark.parametrize("outer", ["", "data/", "more/data/"])
@pytest.mark.parametrize("validation", ["validation", "val"])
def test_parts(tmp_path: Path, outer: str, validation: str) -> None:
    names = ["test/b/1", "train/a/1", "train/b/1", f"{validation}/a/1", f"{validation}/b/1"]
    table = read_images(pack(tmp_path, {f"{outer}{name}.png": picture() for name in names}))
    assert list(table.parts.items()) == [("train", 2), ("validation", 2), ("test", 1)]
    np.testing.assert_array_equal(table.values["class"], [0, 1, 0, 1, 1])


def test_one_class_or_one_part_is_not_taken_for_a_folder_around(tmp_path: Path) -> None:
    table = read_images(pack(tmp_path, {"x/cats/1.png": picture(), "x/cats/2.png": picture()}))
    assert table.column("class").categories == ("cats",)
    files = {"x/train/cats/1.png": picture(), "x/train/dogs/2.png": picture()}
    table = read_images(pack(tmp_path, files))
    assert dict(table.parts) == {"train": 2}
    assert table.column("class").categories == ("cats", "dogs")


def test_another_size_is_named(tmp_path: Path) -> None:
    files = {f"a/{n}.png": picture(seed=n) for n in range(3)} | {"b/odd.png": picture(size=(4, 5))}
    error = refuse(pack(tmp_path, files))
    assert error.code == "shape_mismatch"
    assert "'b/odd.png' is 4 x 5" in error.message
    assert "3 of 4 are 5 x 4" in error.message
    assert error.extra["file"] == "b/odd.png"


@pytest.mark.parametrize(
    "name", ["../a/1.png", "/a/1.png", "a/../../1.png", "a\\1.png", "C:/a/1.png"]
)
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    assert refuse(pack(tmp_path, {"a/1.png": picture(), name: picture()})).code == "unsafe_path"


def test_links_and_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("a/1.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in refuse(path).message
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(2**24))
    assert "100 times its size" in refuse(path).message


def test_caps(tmp_path: Path) -> None:
    path = pack(tmp_path, {"a/1.png": picture(), "b/2.png": picture()})
    assert refuse(path, FileLimits(files=1)).code == "too_many_files"
    assert refuse(path, FileLimits(unpacked=50)).code == "too_large"
    assert refuse(path, FileLimits(bytes=39)).code == "too_large"
    assert "5 x 4" in refuse(path, FileLimits(pixels=19)).message
    assert read_images(path, FileLimits(pixels=20, bytes=40)).rows == 2


def test_a_huge_image_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = BytesIO()
    Image.new("1", (20_000, 20_000)).save(sink, "PNG")
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    assert refuse(pack(tmp_path, {"a/1.png": sink.getvalue()})).param == "file"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "no_rows"),
        ({"1.png": b""}, "unknown_layout"),
        ({"a/1.png": b"", "b/c/2.png": b""}, "unknown_layout"),
        ({"val/a/1.png": b"", "test/a/1.png": b""}, "unknown_layout"),
        ({"a/1.png": b"GIF89a"}, "unsupported_image"),
        ({"a/1.png": b""}, "unsupported_image"),
        ({"a/1.png": picture(size=(60, 60))[:-400]}, "unsupported_image"),
        ({"a/readme.txt": b"hello"}, "unsupported_image"),
    ],
)
def test_refusals(tmp_path: Path, files: dict[str, bytes], code: str) -> None:
    assert refuse(pack(tmp_path, files)).code == code


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP"])
def test_other_formats_are_refused_whatever_their_name(tmp_path: Path, kind: str) -> None:
    error = refuse(pack(tmp_path, {"a/1.png": picture("RGB", kind=kind)}))
    assert "'a/1.png' is not a whole PNG or JPEG" in error.message


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    sink = BytesIO()
    Image.fromarray(np.arange(20, dtype=np.uint16).reshape(4, 5)).save(sink, "PNG")
    assert "8 bits" in refuse(pack(tmp_path, {"a/1.png": sink.getvalue()})).message


def test_any_damage_is_refused_or_read(tmp_path: Path) -> None:
    whole: Any = bytearray(
        pack(tmp_path, {"a/1.png": picture(), "b/1.jpg": picture(kind="JPEG")}).read_bytes()
    )
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.zip"
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), size=3):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            table = read_images(path)
        except DataError:
            continue
        assert table.rows in (1, 2)
