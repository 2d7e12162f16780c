"""Where a picture's bytes are: in a file, in a file of annotations, or in memory because somebody sent them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ..dataset import DataError
from ..formats.json_values import read_json

_SENT_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # Pillow's others may start programs: EPS does


@dataclass(frozen=True)
class EmbeddedImage:
    """The picture inside a LabelMe file: base64 under `imageData`."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path} (imageData)"


@dataclass(frozen=True)
class PictureBytes:
    """The content of a picture file that somebody sent, who need not be trusted: BMP, GIF, JPEG, PNG, TIFF or WebP.

    Attributes:
        data: the file's bytes.
        name: what messages call it.
        max_pixels: a picture of more is refused before it is decoded.
    """

    data: bytes = field(repr=False)
    name: str = "the picture"
    max_pixels: int | None = None

    def __str__(self) -> str:
        return self.name


Source = Path | EmbeddedImage | PictureBytes


def open_source(source: Source) -> Image.Image:
    """The picture as Pillow opens it, not decoded yet.

    Raises:
        DataError: it has more pixels than its source takes.
        Exception: whatever Pillow raises.
    """
    if isinstance(source, Path):
        return Image.open(source)
    if isinstance(source, EmbeddedImage):
        data = read_json(source.path)["imageData"]
        return Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2] if data.startswith("data:") else data)))
    picture = Image.open(io.BytesIO(source.data), formats=_SENT_FORMATS)
    width, height = picture.size
    if source.max_pixels is not None and width * height > source.max_pixels:
        raise DataError(
            f"{source}: the picture is too large ({width}x{height} px; at most {source.max_pixels:,} pixels are taken)."
            " Make it smaller or cut it into tiles.",
            "too large image",
        )
    return picture
