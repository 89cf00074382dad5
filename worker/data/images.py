"""Images: from a zip of folders, one a class, to a table.

Layouts, with or without one folder around it all::

    cats/1.png  cats/2.jpg  dogs/1.png
    train/cats/1.png  validation/dogs/2.png  test/cats/3.png

Decisions:

* The folder is the class: column `class`; the images are column `image`. Files directly in parts
  or deeper than a class are refused, not guessed at.
* Pillow decodes PNG and JPEG, recognized by content, and no other format. A size above `pixels` is
  refused by the header, before the image is decoded.
* All images have one size: the most common one. Another one is an error that names the file;
  stretching or cropping is a decision about the data, and not ours.
* Grayscale if all are; else all become RGB. Transparency is dropped, and orientation tags are not
  read. 16-bit images are refused, because to 8 bits they would lose what they were kept for.
* Rows are in the order of part, class and file name.
"""

import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.data.archive import DAMAGED, ArchivedFile, archived_files, open_archive
from worker.data.reading import LIMITS, FileLimits, Source, file_error, too_large_unpacked
from worker.data.table import Table, categorical, images
from worker.errors import DataError

FORMATS = ("PNG", "JPEG")
GRAY, COLOR = {"1", "L", "LA"}, {"P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}
_PARTS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
UNREADABLE = (
    *DAMAGED,
    SyntaxError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True)
class _Picture:
    """The file of an image, its class and its part."""

    file: ArchivedFile
    label: str
    part: str


def read_images(source: Source, limits: FileLimits = LIMITS) -> Table:
    """Read an archive of images.

    Raises:
        DataError: it is damaged or unsafe, holds something else than images by class folder, is
            larger than `limits` allow, or its images differ in size. The message names the file.
    """
    with open_archive(source) as archive:
        pictures = _pictures(archived_files(archive, limits))
        pixels = _decoded(archive, pictures, limits)
    labels = sorted({picture.label for picture in pictures})
    code_of = {label: code for code, label in enumerate(labels)}
    codes = [code_of[picture.label] for picture in pictures]
    parts = Counter(picture.part for picture in pictures)
    return Table.of(
        [images("image", pixels), categorical("class", labels, codes)],
        target="class",
        parts=None if set(parts) == {""} else parts,
    )


def _pictures(files: Sequence[ArchivedFile]) -> list[_Picture]:
    """Part and class of every file, in the order of the rows."""
    if not files:
        raise file_error("The archive holds no files. Zip one folder of images a class.", "no_rows")
    paths = [file.path.parts for file in files]
    outer = 0
    while len({path[outer] for path in paths}) == 1 and min(map(len, paths)) > outer + 2:
        outer += 1
    if outer and {path[outer - 1] for path in paths} <= set(_PARTS):
        outer -= 1
    in_parts = {path[outer] for path in paths} <= set(_PARTS)
    depth = outer + (3 if in_parts else 2)
    pictures = []
    for file, path in zip(files, paths, strict=True):
        if len(path) != depth:
            raise file_error(
                f"The file {str(file.path)!r} is not where an image of a class is: give "
                "class/file.png, or train/class/file.png and test/class/file.png, for every file.",
                "unknown_layout",
                file=file.path,
            )
        part = _PARTS[path[outer]] if in_parts else ""
        pictures.append(_Picture(file, label=path[-2], part=part))
    order = {"": 0, "train": 0, "validation": 1, "test": 2}
    if in_parts and all(picture.part != "train" for picture in pictures):
        raise file_error(
            "The archive has no folder train beside its other parts.", "unknown_layout"
        )
    return sorted(pictures, key=lambda picture: order[picture.part])


def _decoded(
    archive: zipfile.ZipFile, pictures: Sequence[_Picture], limits: FileLimits
) -> NDArray[np.uint8]:
    """All images, [N, C, H, W]."""
    kinds = [_header(archive, picture.file, limits) for picture in pictures]
    sizes = Counter(size for size, _ in kinds)
    (width, height), count = sizes.most_common(1)[0]
    for picture, (size, _) in zip(pictures, kinds, strict=True):
        if size != (width, height):
            raise file_error(
                f"The image {str(picture.file.path)!r} is {size[0]} x {size[1]} pixels; {count:,} "
                f"of {len(pictures):,} are {width} x {height} (width x height). Bring all images "
                "to one size.",
                "shape_mismatch",
                file=picture.file.path,
            )
    mode = "L" if all(mode in GRAY for _, mode in kinds) else "RGB"
    channels = len(mode)
    total = len(pictures) * channels * height * width
    if total > limits.bytes:
        raise too_large_unpacked(
            "Decoded, the images take", total, limits.bytes, "Upload fewer or smaller ones."
        )
    pixels = np.empty((len(pictures), channels, height, width), dtype=np.uint8)
    for row, picture in enumerate(pictures):
        decoded = _image(archive, picture.file, mode).reshape(height, width, channels)
        pixels[row] = np.moveaxis(decoded, 2, 0)
    return pixels


def _header(
    archive: zipfile.ZipFile, file: ArchivedFile, limits: FileLimits
) -> tuple[tuple[int, int], str]:
    """Width and height, and mode; nothing is decoded."""
    try:
        with archive.open(file.info) as data, Image.open(data, formats=FORMATS) as image:
            size, mode = image.size, image.mode
    except UNREADABLE as error:
        raise _unreadable(file) from error
    if size[0] * size[1] > limits.pixels:
        raise file_error(
            f"The image {str(file.path)!r} is {size[0]:,} x {size[1]:,} pixels; at most "
            f"{limits.pixels:,} are read. Make the images smaller.",
            "too_large",
            file=file.path,
        )
    if mode not in GRAY | COLOR:
        raise file_error(
            f"The image {str(file.path)!r} has more than 8 bits a channel (mode {mode}). Save the "
            "images with 8 bits, or upload them as NPZ.",
            "unsupported_image",
            file=file.path,
        )
    return size, mode


def _image(archive: zipfile.ZipFile, file: ArchivedFile, mode: str) -> NDArray[np.uint8]:
    try:
        data = BytesIO(archive.read(file.info))
        with Image.open(data, formats=FORMATS) as image:
            return np.asarray(image.convert(mode))
    except UNREADABLE as error:
        raise _unreadable(file) from error


def _unreadable(file: ArchivedFile) -> DataError:
    return file_error(
        f"The file {str(file.path)!r} is not a whole PNG or JPEG image. Save it anew, or leave "
        "it out.",
        "unsupported_image",
        file=file.path,
    )
