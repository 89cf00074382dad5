"""Pictures: the PNG and JPEG files of a prediction request, as the pixels that an upload has.

Decisions:

* A picture is a text in base64, with or without `data:image/png;base64,` before it, or an object
  whose one member `b64` is such a text.
* Size and kind are looked at in the file's head, before it is decoded: what is not as large as the
  model's images is never unpacked. It is refused and not stretched, as in an upload (`images.py`).
* Of a model of grayscale a picture must be gray; of one of colours a gray picture has three equal
  channels, since so an upload of both would have it.
* A picture's pixels are bytes. A model that was trained on other numbers takes arrays alone.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from io import BytesIO
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.data.images import COLOR, FORMATS, GRAY, UNREADABLE
from worker.data.nested import cell_error
from worker.data.table import Column

MEMBER = "b64"
_PREFIX = re.compile(r"data:image/[a-z.+-]{1,20};base64,")


def is_picture(cell: object) -> bool:
    """Whether a cell is meant to be a picture."""
    return isinstance(cell, str) or (isinstance(cell, Mapping) and set(cell) == {MEMBER})


def picture_pixels(
    column: Column, position: int, cell: object, *, as_bytes: bool
) -> NDArray[np.float32]:
    """The pixels of a picture, ``[C, H, W]``.

    Args:
        column: the image column of the model.
        position: of the instance.
        cell: a text, or an object with the member `b64`.
        as_bytes: whether the model's pixels are numbers from 0 to 255.

    Raises:
        DataError: it is no picture, or none as the model takes them; `param` names it.
    """
    text = cell[MEMBER] if isinstance(cell, Mapping) else cell
    if len(column.shape) != 3 or column.shape[0] not in (1, 3) or not as_bytes:
        _refuse(
            column,
            position,
            "is a picture, and the model was not trained on pixels from 0 to 255 in one or three "
            "channels. Give nested arrays of numbers, as they were uploaded",
        )
    if not isinstance(text, str):
        _refuse(column, position, f"has a member `{MEMBER}` that is no text. Give base64")
    channels, height, width = column.shape
    try:
        data = base64.b64decode(_PREFIX.sub("", text[:64]) + text[64:], validate=True)
    except (binascii.Error, ValueError):
        _refuse(column, position, "is no base64. Give a PNG or JPEG file in base64, or arrays")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            if image.size != (width, height):
                raise cell_error(
                    f"Column {column.name!r} of instance {position} is a picture of "
                    f"{image.size[0]:,} x {image.size[1]:,} pixels; the model takes {width} x "
                    f"{height} (width x height). Bring it to that size.",
                    "shape_mismatch",
                    column,
                    position,
                    shape=list(column.shape),
                )
            if image.mode not in GRAY | COLOR:
                _refuse(column, position, "has more than 8 bits a channel. Save it with 8")
            if channels == 1 and image.mode not in GRAY:
                _refuse(
                    column, position, "is in colours, and the model takes grayscale. Convert it"
                )
            decoded = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except UNREADABLE:
        _refuse(column, position, "is not a whole PNG or JPEG image. Save it anew")
    return np.moveaxis(decoded.reshape(height, width, channels), 2, 0).astype(np.float32)


def _refuse(column: Column, position: int, fact: str) -> NoReturn:
    raise cell_error(
        f"Column {column.name!r} of instance {position} {fact}.",
        "invalid_picture",
        column,
        position,
    )
